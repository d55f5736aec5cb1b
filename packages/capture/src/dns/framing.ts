/** DNS over streams: each message behind its length (RFC 7766 §8). */

export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.alloc(2 + message.length);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, 2);
  return framed;
}

export interface FrameReader {
  /** @returns the messages that are complete with these bytes. Never keeps more than one unfinished message. */
  push(chunk: Buffer): readonly Buffer[];
}

export function createFrameReader(): FrameReader {
  let waiting: Buffer = Buffer.alloc(0);
  return {
    push(chunk) {
      let bytes = waiting.length === 0 ? chunk : Buffer.concat([waiting, chunk]);
      const messages: Buffer[] = [];
      while (bytes.length >= 2) {
        const end = 2 + bytes.readUInt16BE(0);
        if (bytes.length < end) break;
        messages.push(Buffer.from(bytes.subarray(2, end)));
        bytes = bytes.subarray(end);
      }
      waiting = Buffer.from(bytes);
      return messages;
    },
  };
}
