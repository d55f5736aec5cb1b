export { systemClock, type Clock, type Timer } from './clock.ts';
export { atWallTime } from './wall-timer.ts';
export { seededRandom, systemRandom, type Random } from './random.ts';
export { errorCode, errorMessage, WeftError, type WeftErrorOptions } from './errors.ts';
export {
  createLogger,
  LOG_LEVELS,
  silentLogger,
  type LogFields,
  type Logger,
  type LoggerOptions,
  type LogLevel,
} from './logger.ts';
export { createLifecycle, type Lifecycle } from './lifecycle.ts';
export { createBackoff, type Backoff, type BackoffOptions } from './backoff.ts';
export { createBoundedQueue, type BoundedQueue } from './bounded-queue.ts';
export { writeFileAtomic } from './files.ts';
export { LINUX_SOCKET } from './linux-sockets.ts';
export { openMessageChannel, type MessageChannel } from './message-channel.ts';
