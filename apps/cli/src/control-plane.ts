/** Program of the control plane; `weft up` starts it with a parent channel on descriptor 3. */
import { Socket } from 'node:net';
import { PARENT_CHANNEL_FD, type ChildMessage, type ParentMessage } from '@weft/contracts';
import { createLogger, errorMessage, LOG_LEVELS, openMessageChannel } from '@weft/kit';
import { startControlPlane, type ControlPlane, type StartMessage } from './control-plane/control-plane.ts';
import { parseControlPlaneOptions } from './control-plane/options.ts';
import { reportError, tell } from './output/errors.ts';

async function main(): Promise<void> {
  const options = parseControlPlaneOptions(process.argv.slice(2));
  const logger = createLogger({ name: 'control-plane', level: options.logLevel });
  // Stopped by its parent alone: a terminal's Ctrl-C and a closed pipe are not its business.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
  let plane: ControlPlane | undefined;
  let ending = false;
  const end = async (code: number): Promise<void> => {
    if (ending) return;
    ending = true;
    await plane?.close();
    process.exit(code);
  };
  process.on('SIGTERM', () => void end(0));
  process.on('uncaughtException', (error) => {
    logger.error({ error: errorMessage(error), stack: error.stack }, 'uncaught exception: ending');
    void end(1);
    setTimeout(() => process.exit(1), 2_000).unref();
  });

  let begun: (message: StartMessage) => void = () => {};
  const start = new Promise<StartMessage>((resolve) => {
    begun = resolve;
  });
  const channel = openMessageChannel<ParentMessage, ChildMessage>(
    new Socket({ fd: PARENT_CHANNEL_FD }),
    (message) => {
      if (message.type === 'control-plane-start') begun(message);
      else if (message.type === 'drain') void end(0);
      else if (message.type === 'log-level') {
        const level = LOG_LEVELS.find((item) => item === message.level);
        if (level) logger.setLevel(level);
      }
    },
    // The supervisor is gone: so is the mesh.
    () => void end(0),
  );
  try {
    plane = await startControlPlane(options, await start, (message) => channel.send(message), logger);
    channel.send(plane.ready);
    logger.info({ ports: plane.ready.ports }, 'control plane ready');
  } catch (error) {
    const { fix } = tell(error);
    logger.error({ error: errorMessage(error) }, 'the control plane could not start');
    channel.send({ type: 'failed', message: errorMessage(error), ...(fix === undefined ? {} : { fix }) });
    setTimeout(() => void end(1), 100);
  }
}

await main().catch((error: unknown) => {
  process.exitCode = reportError(error, false);
});
