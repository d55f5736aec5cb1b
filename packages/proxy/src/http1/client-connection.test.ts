import { describe, expect, it } from 'vitest';
import { FieldsHead } from '../head/fields-head.ts';
import type { ResponseReceiver } from '../http/streams.ts';
import { BufferPool } from '../sockets/buffer-pool.ts';
import { WriteSlabs } from '../sockets/write-slabs.ts';
import { FakeSocket } from '../test-support/fuzz/fake-socket.ts';
import { TimerQueue } from '../timers/timer-queue.ts';
import { FakeClock } from '@weft/testkit';
import { H1ClientConnection } from './client-connection.ts';
import { DEFAULT_HEAD_LIMITS } from './head-parser.ts';

class Answer implements ResponseReceiver {
  readonly events: string[] = [];
  /** What is done when data comes. */
  onData: () => void = () => {};

  onInformational(): void {}
  onResponseHead(status: number): void {
    this.events.push(`head ${status}`);
  }
  onResponseData(buffer: Buffer, start: number, end: number, last: boolean): void {
    this.events.push(`${buffer.toString('latin1', start, end)}${last ? ' end' : ''}`);
    this.onData();
  }
  onResponseTrailers(): void {}
  onResponsePause(): void {
    this.events.push('pause');
  }
  onUpstreamWritable(): void {}
  onUpstreamFailed(failure: string): void {
    this.events.push(failure);
  }
}

function start() {
  const socket = new FakeSocket();
  const reading = { stopped: false };
  Object.assign(socket, {
    pause: () => void (reading.stopped = true),
    resume: () => void (reading.stopped = false),
  });
  const keeper = { onReusable: () => {}, onExhausted: () => {}, onClosed: () => {} };
  const connection = new H1ClientConnection(socket.asSocket(), '', keeper, new TimerQueue(new FakeClock()), {
    limits: DEFAULT_HEAD_LIMITS,
    slabs: new WriteSlabs(),
    buffers: new BufferPool(),
    trailers: true,
    maxRequests: 0,
    idleTimeoutMs: 0,
    maxDurationMs: 0,
  });
  const ask = (): Answer => {
    const answer = new Answer();
    connection.begin(answer).sendHead(FieldsHead.request('GET', '/', 'h'), true);
    return answer;
  };
  const feed = (text: string): void => connection.onBytes(Buffer.from(text), 0, text.length);
  return { connection, reading, ask, feed };
}

describe('a response that is paused', () => {
  it('goes on to the end of what was read, and no further until it is resumed', () => {
    const { connection, reading, ask, feed } = start();
    const answer = ask();
    answer.onData = () => connection.pauseResponse();
    feed('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n');
    expect(answer.events).toEqual(['head 200', 'a', 'b', 'pause']);
    expect(reading.stopped).toBe(true);
    // TLS may have decrypted more than one read hands on.
    feed('1\r\nc\r\n');
    expect(answer.events).toHaveLength(4);
    answer.onData = () => {};
    connection.resumeResponse();
    expect(answer.events.slice(4)).toEqual(['c', 'pause']);
    expect(reading.stopped).toBe(false);
  });

  it('is handed on once when it is resumed while what was held is being handed on', () => {
    const { connection, ask, feed } = start();
    const answer = ask();
    answer.onData = () => connection.pauseResponse();
    feed('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n');
    feed('1\r\nb\r\n1\r\nc\r\n0\r\n\r\n');
    answer.onData = () => {
      connection.pauseResponse();
      connection.resumeResponse();
    };
    connection.resumeResponse();
    expect(answer.events).toEqual(['head 200', 'a', 'pause', 'b', 'c', ' end']);
  });

  it('leaves a connection that is read when its end came meanwhile', () => {
    const { connection, reading, ask, feed } = start();
    const first = ask();
    first.onData = () => connection.pauseResponse();
    feed('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n');
    expect(first.events).toEqual(['head 200', 'a', ' end']);
    expect([reading.stopped, connection.capacity]).toEqual([false, 1]);
    const second = ask();
    feed('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi');
    expect(second.events).toEqual(['head 200', 'hi end']);
  });
});
