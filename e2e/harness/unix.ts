/** A GET over a Unix socket. */
import { request } from 'node:http';

export function callUnix(socketPath: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, headers: { host: 'localhost' } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.once('end', () => resolve(JSON.parse(text)));
    });
    call.once('error', reject);
    call.end();
  });
}
