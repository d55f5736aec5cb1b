import type { SocketWriter } from '../sockets/socket-writer.ts';

/** Part of a body, as it is or as one chunk (RFC 9112 §7.1). Nothing is written of no bytes: a chunk of none would be the last. */
export function writeBody(writer: SocketWriter, buffer: Buffer, start: number, end: number, chunked: boolean): void {
  if (end <= start) return;
  if (!chunked) {
    writer.bytes(buffer, start, end);
    return;
  }
  writer.text(`${(end - start).toString(16)}\r\n`);
  writer.bytes(buffer, start, end);
  writer.text('\r\n');
}
