// Clients that try nothing twice, and say exactly what they got.
import { Agent, request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { BODY, type Shape } from './booking-apps.ts';

export interface Outcome {
  /** 0 = no head of an answer came. */
  readonly status: number;
  readonly reason: string;
  readonly body: string;
  /** To its end, which was told from a cut. */
  readonly whole: boolean;
}
/** One request on a connection of its own. */
export type AskOnce = (port: number, path: string, shape: Shape) => Promise<Outcome>;

const PATIENCE_MS = 30_000;
const methodOf = (shape: Shape): string => (shape === 'get' ? 'GET' : 'POST');

class Hearing {
  status = 0;
  reason = '';
  body = '';
  whole = false;
}

export const askHttp1: AskOnce = (port, path, shape) =>
  new Promise((resolve, reject) => {
    const agent = new Agent();
    const heard = new Hearing();
    const timer = setTimeout(() => reject(new Error(`${path}: neither an answer nor an end`)), PATIENCE_MS);
    const end = (): void => {
      clearTimeout(timer);
      agent.destroy();
      resolve(heard);
    };
    const headers = { te: 'trailers', ...(shape === 'sized' ? { 'content-length': BODY.length } : {}), ...(shape === 'chunked' ? { trailer: 'x-sum' } : {}) }; // prettier-ignore
    const asked = httpRequest(
      { host: '127.0.0.1', port, path, method: methodOf(shape), agent, headers },
      (response) => {
        heard.status = response.statusCode ?? 0;
        heard.reason = String(response.headers['x-weft-reason'] ?? '');
        response.setEncoding('utf8').on('data', (text: string) => (heard.body += text));
        response.on('end', () => (heard.whole = response.complete));
        response.on('error', () => {});
        response.on('close', end);
      },
    );
    asked.on('error', end);
    if (shape === 'chunked') {
      asked.write(BODY.slice(0, 7));
      asked.write(BODY.slice(7));
      asked.addTrailers({ 'x-sum': '1' });
      asked.end();
    } else asked.end(shape === 'sized' ? BODY : undefined);
  });

export const askHttp2: AskOnce = (port, path, shape) =>
  new Promise((resolve, reject) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const heard = new Hearing();
    const timer = setTimeout(() => reject(new Error(`${path}: neither an answer nor an end`)), PATIENCE_MS);
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      session.destroy();
      resolve(heard);
    };
    session.on('error', end);
    session.on('close', end);
    const stream = session.request(
      {
        ':path': path,
        ':method': methodOf(shape),
        te: 'trailers',
        ...(shape === 'sized' ? { 'content-length': BODY.length } : {}),
      },
      { endStream: shape === 'get', waitForTrailers: shape === 'chunked' },
    );
    stream.on('response', (head) => {
      heard.status = Number(head[':status']);
      heard.reason = String(head['x-weft-reason'] ?? '');
    });
    let ended = false;
    stream.setEncoding('utf8').on('data', (text: string) => (heard.body += text));
    stream.on('end', () => (ended = !stream.aborted));
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1' }));
    stream.on('error', () => {});
    stream.on('close', () => {
      heard.whole = ended && heard.status !== 0 && stream.rstCode === 0;
      end();
    });
    if (shape === 'get') return;
    stream.write(BODY.slice(0, 7));
    stream.end(BODY.slice(7));
  });
