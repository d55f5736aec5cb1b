// A name server of the world outside, by UDP and TCP: knows NAME (and what ends with it) by ADDRESS, denies the rest.
// Run with tsx: it writes DNS with the mesh's own codec.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { createFrameReader, frame, parseQuery, RCODE, TYPE, writeReply } from '@weft/capture/dns';

const { HOST, NAME, ADDRESS } = process.env;
const answer = (message) => {
  const parsed = parseQuery(message);
  if (parsed.kind !== 'query') return parsed.reply;
  const { query } = parsed;
  if (query.name !== NAME && !query.name.endsWith(`.${NAME}`)) return writeReply(query, { rcode: RCODE.NXDOMAIN });
  const addresses =
    query.type === TYPE.A ? [{ type: TYPE.A, bytes: Uint8Array.from(ADDRESS.split('.').map(Number)) }] : [];
  return writeReply(query, { addresses, ttlSeconds: 60 });
};

const datagrams = createSocket('udp4');
datagrams.on('message', (message, { port, address }) => datagrams.send(answer(message), port, address));
datagrams.bind(53, HOST);
createServer((connection) => {
  const frames = createFrameReader();
  connection.on('error', () => {});
  connection.on('data', (chunk) => {
    for (const message of frames.push(chunk)) connection.write(frame(answer(message)));
  });
}).listen(53, HOST);
