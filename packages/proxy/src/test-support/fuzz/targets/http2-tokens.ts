import { FLAG, FRAME, SETTING } from '../../../http2/frames/constants.ts';
import { block, data, frame, GET, headers, settings, u32 } from '../../../http2/test-support/raw-peer.ts';

/** Whole frames, and parts of header blocks. */
export const HTTP2_TOKENS: readonly Buffer[] = [
  settings(),
  settings([SETTING.initialWindowSize, 0]),
  settings([SETTING.headerTableSize, 0], [SETTING.headerTableSize, 4096]),
  settings([SETTING.maxFrameSize, 16_384], [SETTING.enableConnectProtocol, 1]),
  frame(FRAME.settings, FLAG.ack, 0),
  headers(1, GET),
  headers(3, [':method:POST', ':scheme:http', ':path:/', ':authority:h', 'content-length:3'], false),
  data(3, 'abc', true),
  data(1, ''),
  headers(1, [':status:200'], false),
  headers(3, [':status:100'], false),
  headers(1, ['x-sum:1']),
  frame(FRAME.headers, 0, 5, block(...GET)),
  frame(FRAME.continuation, FLAG.endHeaders, 5, block('a:b')),
  frame(FRAME.rstStream, 0, 1, u32(8)),
  frame(FRAME.windowUpdate, 0, 0, u32(1)),
  frame(FRAME.windowUpdate, 0, 1, u32(0x7fff_ffff)),
  frame(FRAME.ping, 0, 0, Buffer.alloc(8)),
  frame(FRAME.goaway, 0, 0, u32(1, 0)),
  frame(FRAME.pushPromise, FLAG.endHeaders, 1, u32(2)),
  frame(FRAME.priority, 0, 3, Buffer.from([0, 0, 0, 1, 9])),
  frame(0x10, 0, 0, Buffer.from('x')),
  ...[
    ':method:CONNECT', ':protocol:websocket', ':path:*', ':path:/a b', ':authority:u@h', ':authority:', 'host:other', 'host:h', 'te:gzip', 'te:trailers',
    'content-length:0', 'content-length:4', 'connection:close', 'transfer-encoding:chunked', 'Upper:1', 'a:\r\nb: c', 'a:\0', 'a: b', 'cookie:a=b', 'cookie:c=d',
    ':status:101', ':status:999', 'x-e:1', 'x-weft-a:1', ':reason:Fine',
  ].map((line) => block(line)),
  ...['828684', '418cf1e3c2e5f23a6ba0ab90f4ff', 'be', 'bf', '3fe11f', '20', '88', 'ff00', '00000000', '7fffffff', '0000', '0005'].map((hex) => Buffer.from(hex, 'hex')),
]; // prettier-ignore
