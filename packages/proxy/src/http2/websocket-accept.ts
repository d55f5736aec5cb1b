import { createHash } from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** What a WebSocket server answers to this key over HTTP/1.1 (RFC 6455 §4.2.2). */
export const websocketAccept = (key: string): string => createHash('sha1').update(`${key}${GUID}`).digest('base64');
