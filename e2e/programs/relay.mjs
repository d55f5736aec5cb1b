// Takes connections from a listening socket that it got as descriptor 0, made in another network namespace, and calls HOST PORT from its own.
import { connect, createServer } from 'node:net';

const [host, port] = process.argv.slice(2);
const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (near) => {
  const far = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
  for (const [one, other] of [
    [near, far],
    [far, near],
  ]) {
    // A reset at one side is a reset at the other.
    one.on('error', () => reset(other));
    one.on('close', () => one.readableEnded || other.destroyed || reset(other));
  }
  far.once('connect', () => {
    near.pipe(far);
    far.pipe(near);
  });
});
/** Node would leave open what is reset after its end. */
const reset = (socket) => void (socket.writableEnded ? socket.destroy() : socket.resetAndDestroy());
server.listen({ fd: 0 });
// Nothing stays when the tests are gone.
setInterval(() => process.ppid === 1 && process.exit(), 1_000).unref();
