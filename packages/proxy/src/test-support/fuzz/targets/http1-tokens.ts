export const HTTP1_TOKENS: readonly Buffer[] = [
  '\r\n', '\r\n\r\n', '\n', '\r', '\r\n ', ': ', ' : ', ':', ',', ';', '\0', '\t', '\x7f', '\x80', '\xff', '#', '?', '/', '//', '*',
  'GET / HTTP/1.1\r\n', 'POST /a?b=c HTTP/1.1\r\n', 'HEAD', 'OPTIONS', 'CONNECT h:443', 'PRI', 'get', ' HTTP/1.1', ' HTTP/1.0', 'HTTP/2.0', 'HTTP/1.2',
  'http://h/', 'HTTP://u@h:1/', 'https://[::1]:8080', 'Host: h\r\n', 'host:', 'Host: [::1]:80\r\n', 'h:65536', 'a,b', 'a%41', 'u@h',
  'Content-Length: 3\r\n', 'content-length:0\r\n', 'Content-Length: 9007199254740993\r\n', '+1', '0x1', '1, 1', '00', '1_0',
  'Transfer-Encoding: chunked\r\n', 'transfer-encoding:CHUNKED\r\n', 'chunked, chunked', 'gzip, chunked', 'identity', 'xchunked',
  'Connection: close\r\n', 'Connection: keep-alive\r\n', 'connection: upgrade, te, x-a, host\r\n', 'Upgrade: websocket\r\n', 'TE: trailers\r\n', 'Keep-Alive: 1\r\n',
  'Expect: 100-continue\r\n', 'Trailer: x-sum\r\n', 'x-a: 1\r\n', 'X_b: 2\r\n', '__proto__: 3\r\n', 'x-weft-reason: a\r\n',
  '0\r\n\r\n', '0\r\nx-sum: 1\r\n\r\n', '3\r\nabc\r\n', 'a\r\n', 'fffffffffffff\r\n', '10000000000000\r\n', '0;a=b\r\n', '1;"', '0x',
  'HTTP/1.1 200 OK\r\n', 'HTTP/1.0 200\r\n', 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 101 Switching Protocols\r\n', 'HTTP/1.1 204 \r\n', 'HTTP/1.1 304 Not Modified\r\n', 'HTTP/1.1 099', 'HTTP/1.1 999 x\r\n',
].map((text) => Buffer.from(text, 'latin1')); // prettier-ignore
