/**
 * Run in a fresh network namespace: is a pod with a sidecar, an application and a peer beyond a veth pair, and prints who
 * answered which call, by backend. `peer ADDRESS` is the other end.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PROXY_MARK } from '@weft/contracts';
import { applyCapture, buildRedirectPlan, processExecutor, removeCapture, type BackendName } from '../index.ts';
import { connectFrom, originalDestination, udpSocket } from './marked-sockets.ts';

const [POD, PEER, ELSEWHERE] = ['10.244.1.2', '10.244.1.1', '10.96.0.10'];
const [POD6, PEER6, ELSEWHERE6] = ['fd00:244::2', 'fd00:244::1', 'fd00:96::10'];
const [APP, DNS] = [8080, 53];

const tcpServer = async (port: number, answer: (connection: Socket) => string): Promise<void> => {
  for (const host of ['0.0.0.0', '::']) {
    const server = createServer((connection) => {
      connection.on('error', () => {});
      connection.end(answer(connection));
    });
    await new Promise<void>((resolve) => server.listen({ port, host, ipv6Only: host === '::' }, resolve));
  }
};
/** Bound to the address that is asked: an answer from another one is not taken for the answer. */
const udpServer = async (address: string, port: number, answer: string): Promise<void> => {
  const server = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  server.on('message', (_, from) => server.send(answer, from.port, from.address));
  await new Promise<void>((resolve) => server.bind(port, address, resolve));
};
const read = async (connection: Socket): Promise<string> => {
  let text = '';
  connection.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await once(connection, 'end');
  connection.destroy();
  return text;
};
const ask = async (mark: number, port = 0): Promise<string> => askBy(await udpSocket(mark, port), ELSEWHERE);
const askBy = async (socket: UdpSocket, server: string): Promise<string> => {
  // A connected socket takes answers from the asked address only: the kernel must put it back.
  await new Promise<void>((resolve) => socket.connect(DNS, server, resolve));
  socket.send('question');
  const timer = setTimeout(() => socket.emit('message', Buffer.from('no answer')), 5_000);
  const [answer] = (await once(socket, 'message')) as [Buffer];
  clearTimeout(timer);
  socket.close();
  return answer.toString();
};

async function peer(): Promise<void> {
  await Promise.all([
    ...[80, 81, 443, DNS].map((port) => tcpServer(port, () => `peer ${port}`)),
    udpServer(ELSEWHERE, DNS, 'peer dns'),
    udpServer(ELSEWHERE6, DNS, 'peer dns'),
  ]);
  process.stdout.write('ready\n');
  for await (const line of createInterface(process.stdin)) {
    const [address = '', port] = line.split(' ');
    const connection = connect(Number(port), address);
    const text = await read(connection).catch((error: Error) => error.message);
    process.stdout.write(`${text}\n`);
  }
}

function command(text: string): void {
  const [file = '', ...args] = text.split(' ');
  const { status, stderr } = spawnSync(file, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${text}: ${stderr}`);
}

async function pod(backend: BackendName): Promise<void> {
  const holder = spawn('unshare', ['-n', 'sleep', '120'], { stdio: 'ignore' });
  const own = spawnSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' }).stdout;
  const namespaceOf = (pid: number | undefined): string =>
    spawnSync('readlink', [`/proc/${pid}/ns/net`], { encoding: 'utf8' }).stdout;
  while (['', own].includes(namespaceOf(holder.pid))) await new Promise((resolve) => setTimeout(resolve, 10));
  const inPeer = `nsenter -t ${holder.pid} -n`;
  let other: ChildProcess | undefined;
  try {
    for (const text of [
      'ip link set lo up',
      'ip link add eth0 type veth peer name peer0',
      `ip link set peer0 netns ${holder.pid}`,
      `ip addr add ${POD}/24 dev eth0`,
      'ip link set eth0 up',
      `${inPeer} ip link set lo up`,
      `${inPeer} ip addr add ${PEER}/24 dev peer0`,
      `${inPeer} ip addr add ${ELSEWHERE}/32 dev lo`,
      `ip addr add ${POD6}/64 dev eth0 nodad`,
      `${inPeer} ip addr add ${PEER6}/64 dev peer0 nodad`,
      `${inPeer} ip addr add ${ELSEWHERE6}/128 dev lo`,
      `${inPeer} ip link set peer0 up`,
      `ip route add default via ${PEER}`,
      `ip -6 route add default via ${PEER6}`,
    ])
      command(text);
    const [nsenter = '', ...rest] = inPeer.split(' ');
    other = spawn(nsenter, [...rest, process.execPath, ...process.execArgv, fileURLToPath(import.meta.url), 'peer'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    process.stdout.write(JSON.stringify(await observe(backend, other)));
  } finally {
    other?.kill('SIGKILL');
    holder.kill('SIGKILL');
  }
}

async function observe(backend: BackendName, other: ChildProcess): Promise<Record<string, unknown>> {
  if (other.stdout === null || other.stdin === null) throw new Error('the peer has no pipes');
  const { stdin } = other;
  const lines = createInterface(other.stdout)[Symbol.asyncIterator]();
  await lines.next();
  const callFromPeer = async (port: number, address = POD): Promise<string> => {
    stdin.write(`${address} ${port}\n`);
    return String((await lines.next()).value);
  };
  const redirected = (name: string) => (connection: Socket) => `${name} ${originalDestination(connection)}`;
  await Promise.all([
    tcpServer(15_001, redirected('outbound')),
    tcpServer(15_006, redirected('inbound')),
    tcpServer(15_053, redirected('dns')),
    udpServer('127.0.0.1', 15_053, 'dns'),
    udpServer('::1', 15_053, 'dns'),
    tcpServer(15_021, () => 'readiness'),
    tcpServer(APP, (connection) => `app ${connection.remoteAddress ?? ''}`),
  ]);
  const call = (address: string, port: number, options: Parameters<typeof connectFrom>[2] = {}): Promise<string> =>
    read(connectFrom(address, port, options));
  const mark = PROXY_MARK;
  const calls = async (): Promise<Record<string, string>> => {
    const [A, B] = [41_000, 41_001];
    return {
      'application to elsewhere': await call(ELSEWHERE, 80),
      'application to a port left out': await call(ELSEWHERE, 81),
      'application to a range left out': await call(PEER, 443),
      'proxy to elsewhere': await call(ELSEWHERE, 80, { mark }),
      'peer to the application': await callFromPeer(APP),
      'peer to a port left out': await callFromPeer(15_021),
      'proxy to the application from the inbound address': await call(POD, APP, { mark, source: '127.0.0.6' }),
      'proxy to the address of its own workload': await call(POD, APP, { mark }),
      'application to the address of its own workload': await call(POD, APP),
      'application to 127.0.0.1': await call('127.0.0.1', APP),
      'proxy to 127.0.0.1': await call('127.0.0.1', APP, { mark }),
      'application asks by UDP': await ask(0, A),
      'proxy asks by UDP from the same port': await ask(mark, A),
      'proxy asks by UDP': await ask(mark, B),
      'application asks by UDP from the same port': await ask(0, B),
      'application asks by TCP': await call(ELSEWHERE, DNS),
      'proxy asks by TCP': await call(ELSEWHERE, DNS, { mark }),
      'application to elsewhere by IPv6': await read(connect(80, ELSEWHERE6)),
      'application to ::1': await read(connect(APP, '::1')),
      'peer to the application by IPv6': await callFromPeer(APP, POD6),
      'application asks by UDP over IPv6': await askBy(createSocket('udp6'), ELSEWHERE6),
      ...(process.argv.includes('uid') ? { 'user of the proxy to elsewhere': callAs(1337) } : {}),
    };
  };
  const executor = processExecutor();
  const ruleset = async (): Promise<string> =>
    (await executor.run('/usr/sbin/nft', ['-s', 'list', 'ruleset'], '')).stdout.trim();
  const before = await calls();
  const plan = buildRedirectPlan({
    // One user and one group only exist in a user namespace of an ordinary user.
    proxy: process.argv.includes('uid') ? { mark, uid: 1337 } : { mark },
    dnsPort: 15_053,
    ipv6: true,
    excludeOutboundPorts: [81],
    excludeOutboundCidrs: [`${PEER}/32`],
    excludeInterfaces: ['other0'],
  });
  const applied = await applyCapture(plan, executor, { backend });
  const first = await ruleset();
  const captured = await calls();
  await applyCapture(plan, executor, { backend });
  const second = await ruleset();
  await removeCapture(executor);
  const left = (await ruleset()).split('\n').filter((line) => /weft/i.test(line));
  return {
    backend: applied.backend,
    before,
    captured,
    same: first === second && first !== '',
    left,
    after: await calls(),
  };
}

/** From a process of that user. */
function callAs(uid: number): string {
  const program = `require('node:net').connect(80, '${ELSEWHERE}').pipe(process.stdout)`;
  return spawnSync(process.execPath, ['-e', program], { encoding: 'utf8', uid, timeout: 10_000 }).stdout;
}

await (process.argv[2] === 'peer' ? peer() : pod(process.argv[2] === 'nftables' ? 'nftables' : 'iptables'));
process.exit(0);
