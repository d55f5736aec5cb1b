// One call of an application that knows nothing of proxies, told in JSON by its argument; prints what came of it.
// {"url": …, "headers": {…}} an HTTP request · {"tcp": "HOST:PORT", "send": …} bytes, and what arrives until it is quiet
import { request } from 'node:http';
import { connect } from 'node:net';

const QUIET_MS = 400;
const { url, headers = {}, tcp, send = '', timeoutMs = 8000 } = JSON.parse(process.argv[2]);
const done = (result) => {
  console.log(JSON.stringify(result));
  process.exit(0);
};
setTimeout(() => done({ error: 'timeout' }), timeoutMs);

if (url !== undefined) {
  const call = request(url, { headers, agent: false }, (response) => {
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (chunk) => (body += chunk));
    response.on('end', () => done({ status: response.statusCode, headers: response.headers, body }));
    response.on('error', (error) => done({ error: error.code ?? error.message }));
  });
  call.on('error', (error) => done({ error: error.code ?? error.message }));
  call.end();
} else {
  const [host, port] = tcp.split(':');
  let got = '';
  let quiet;
  const socket = connect({ host, port: Number(port) }, () => socket.write(send));
  socket.on('data', (data) => {
    got += data;
    clearTimeout(quiet);
    quiet = setTimeout(() => done({ got }), QUIET_MS);
  });
  socket.on('close', () => done({ got, closed: true }));
  socket.on('error', (error) => done({ got, error: error.code ?? error.message }));
}
