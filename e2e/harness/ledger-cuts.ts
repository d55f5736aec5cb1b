/** A mesh with a ledger, and relays that cut: in front of the caller's sidecar, and between two sidecars. */
import { connect as connectHttp2 } from 'node:http2';
import { type Cut, createCuttingRelay, type CuttingRelay } from '@weft/testkit';
import { http, keepAlive } from './http.ts';
import { startMesh, type TestMesh } from './mesh.ts';
import { programPath, startEcho } from './programs.ts';

const BODY = '{"amount":1}';
const INSTANCES = ['ledger-a', 'ledger-b'];
const BETWEEN = 'between.example:8000';

export interface Heard {
  readonly id: string;
  /** 0 = no answer came. */
  readonly status: number;
  readonly reason: string;
  readonly body: string;
  /** To its end. */
  readonly whole: boolean;
}

export interface CutLedger extends AsyncDisposable {
  readonly mesh: TestMesh;
  /** Where `client` calls the ledger. */
  readonly url: string;
  readonly instances: readonly string[];
  /** The applications themselves, for who tells them to cut. */
  readonly apps: readonly string[];
  /** POSTs and GETs whose connection to the sidecar is cut. */
  cutClient(id: string, method: string, http2: boolean, cut: Cut): Promise<Heard>;
  /** The same, where the connection between the sidecars is cut, which was there before. */
  cutBetween(id: string, method: string, http2: boolean, cut: Cut): Promise<Heard>;
  /** Where one of the ledgers is called by way of a relay between the sidecars. */
  readonly between: { readonly url: string; readonly host: string; readonly relay: CuttingRelay };
  /** How often each was booked. */
  books(): Promise<ReadonlyMap<string, number>>;
}

export async function startCutLedger(args: readonly string[] = []): Promise<CutLedger> {
  const mesh = await startMesh({ args });
  const ledger = (name: string): Promise<unknown> =>
    mesh.run(['--service=ledger', `--name=${name}`, '--port=8000', '--', process.execPath, programPath('ledger.mjs')]);
  await Promise.all([...INSTANCES.map(ledger), startEcho(mesh, { service: 'client', version: 'v1', name: 'client' })]);
  await mesh.synced();
  const url = await mesh.outbound('client', 'ledger', 8000);
  const { address, ports } = await mesh.workload('ledger-a');
  const between = await createCuttingRelay({ host: address, port: ports[0]?.meshPort ?? 0 });
  const front = await createCuttingRelay(addressOf(url));
  await mesh.apply(`
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: between }
spec:
  hosts: [${BETWEEN.split(':')[0]}]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 8000, name: http, protocol: HTTP }]
  endpoints:
    - { address: 127.0.0.1, ports: { http: ${between.port} }, labels: { security.istio.io/tlsMode: istio }, serviceAccount: ledger }
`);
  const apps = await Promise.all(
    INSTANCES.map(async (name) => {
      const [port] = (await mesh.workload(name)).ports;
      return `http://${port?.appAddress}:${port?.appPort}`;
    }),
  );
  const byHost = await mesh.byHost('client', 8000);
  const agent = keepAlive(1);
  return {
    mesh,
    url,
    instances: INSTANCES,
    apps,
    between: { url: byHost, host: BETWEEN, relay: between },
    cutClient: (id, method, http2, cut) => cutCall({ relay: front, cut, url: `http://127.0.0.1:${front.port}`, host: 'ledger:8000', id, method, http2 }),
    async cutBetween(id, method, http2, cut) {
      await http(`${byHost}/book/${id}-before`, { headers: { host: BETWEEN }, agent });
      return cutCall({ relay: between, cut: { ...cut, present: true }, url: byHost, host: BETWEEN, id, method, http2 });
    },
    async books() {
      const all = new Map<string, number>();
      for (const app of apps)
        for (const [id, count] of Object.entries(JSON.parse((await http(`${app}/ledger`)).body) as Record<string, number>))
          all.set(id, (all.get(id) ?? 0) + count);
      return all;
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await front[Symbol.asyncDispose]();
      await between[Symbol.asyncDispose]();
      await mesh[Symbol.asyncDispose]();
    },
  };
} // prettier-ignore

const addressOf = (url: string): { readonly host: string; readonly port: number } => {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
};

interface CutCall {
  readonly relay: CuttingRelay;
  readonly cut: Cut;
  readonly url: string;
  readonly host: string;
  readonly id: string;
  readonly method: string;
  readonly http2: boolean;
}

async function cutCall(call: CutCall): Promise<Heard> {
  call.relay.cutNext(call.cut);
  return call.http2 ? callHttp2(call) : callHttp1(call);
}

async function callHttp1({ url, host, id, method }: CutCall): Promise<Heard> {
  const body = method === 'POST' ? { body: BODY } : {};
  const answer = await http(`${url}/book/${id}`, { method, headers: { host }, ...body }).catch((error: NodeJS.ErrnoException) => {
    if (error.message !== 'aborted' && error.code !== 'ECONNRESET') throw error;
    return undefined;
  });
  const { status = 0, headers, body: text = '' } = answer ?? {};
  return { id, status, reason: headers?.['x-weft-reason'] ?? '', body: text, whole: answer !== undefined };
} // prettier-ignore

function callHttp2({ url, host, id, method }: CutCall): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(url);
    let heard: Heard = { id, status: 0, reason: '', body: '', whole: false };
    const timer = setTimeout(() => reject(new Error(`${id}: neither an answer nor an end`)), 30_000);
    const end = (): void => {
      clearTimeout(timer);
      session.destroy();
      resolve(heard);
    };
    session.on('error', () => {});
    session.on('close', end);
    const body = method === 'POST' ? BODY : undefined;
    const stream = session.request({
      ':path': `/book/${id}`,
      ':method': method,
      ':authority': host,
      // The ledger knows no chunks.
      ...(body === undefined ? {} : { 'content-length': body.length }),
    });
    stream.on('response', (head) => {
      heard = { ...heard, status: Number(head[':status']), reason: String(head['x-weft-reason'] ?? '') };
    });
    stream.setEncoding('utf8').on('data', (text: string) => (heard = { ...heard, body: heard.body + text }));
    let ended = false;
    stream.on('end', () => (ended = !stream.aborted));
    stream.on('error', () => {});
    stream.on('close', () => {
      heard = { ...heard, whole: ended && heard.status !== 0 && stream.rstCode === 0 };
      end();
    });
    stream.end(body);
  });
}

export interface Phase {
  readonly place: 'client' | 'between';
  readonly http2: boolean;
  readonly way: Cut['way'];
  /** About as many bytes as go that way. */
  readonly bytes: number;
}

/** Where the bytes of one exchange are. Between sidecars they are those of TLS. */
export const PHASES: readonly Phase[] = [
  { place: 'client', http2: false, way: 'there', bytes: 110 },
  { place: 'client', http2: false, way: 'back', bytes: 330 },
  { place: 'client', http2: true, way: 'there', bytes: 180 },
  { place: 'client', http2: true, way: 'back', bytes: 300 },
  { place: 'between', http2: false, way: 'there', bytes: 500 },
  { place: 'between', http2: true, way: 'back', bytes: 300 },
];

/** One call for each so-manieth byte. @returns what was heard, and what is wrong with that. */
export async function cutPhase(ledger: CutLedger, phase: Phase, method: string, step: number) {
  const heard: Heard[] = [];
  for (let after = 0; after <= phase.bytes; after += step) {
    const id = `${method}-${phase.place}-${phase.http2 ? 2 : 1}-${phase.way}-${after}`;
    const cut: Cut = { way: phase.way, after, how: (['closed', 'reset', 'ended'] as const)[after % 3] ?? 'closed' };
    const call = phase.place === 'client' ? ledger.cutClient : ledger.cutBetween;
    heard.push(await call(id, method, phase.http2, cut));
  }
  const booked = await ledger.books();
  const wrong: string[] = [];
  for (const one of heard) {
    const times = booked.get(one.id) ?? 0;
    const what = `${one.id}: booked ${times} times, heard ${JSON.stringify(one)}`;
    if (method === 'POST' && times > 1) wrong.push(what);
    else if (one.status === 200 && one.whole) {
      if (times === 0 || one.body !== one.id) wrong.push(what);
    } else if (one.status !== 0 && one.status !== 200 && !REASON.test(one.reason)) wrong.push(what);
  }
  return { heard, wrong };
}

const REASON = /^upstream-(closed|reset|response-cut|connect-failure|tls-failure)$/;
