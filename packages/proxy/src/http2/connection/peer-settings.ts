import {
  CODE,
  DEFAULT_FRAME_BYTES,
  DEFAULT_WINDOW,
  MAX_FRAME_BYTES,
  MAX_WINDOW,
  SETTING,
} from '../frames/constants.ts';

export interface SettingsFailure {
  readonly code: number;
  readonly detail: string;
}

/** What the peer said last (RFC 9113 §6.5.2), beginning with what holds while it has said nothing. */
export class PeerSettings {
  headerTableSize = 4096;
  maxConcurrentStreams = Infinity;
  initialWindow = DEFAULT_WINDOW;
  maxFrame = DEFAULT_FRAME_BYTES;
  connectProtocol = false;

  /** @param fromServer servers may not allow pushes. @returns undefined when all of it can be. */
  read(buffer: Buffer, start: number, end: number, fromServer: boolean): SettingsFailure | undefined {
    for (let at = start; at + 6 <= end; at += 6) {
      const failure = this.#set(buffer.readUInt16BE(at), buffer.readUInt32BE(at + 2), fromServer);
      if (failure !== undefined) return failure;
    }
    return undefined;
  }

  #set(id: number, value: number, fromServer: boolean): SettingsFailure | undefined {
    const bad = (code: number): SettingsFailure => ({ code, detail: `SETTINGS: ${id} can not be ${value}` });
    switch (id) {
      case SETTING.headerTableSize:
        this.headerTableSize = value;
        return undefined;
      case SETTING.enablePush:
        return value > (fromServer ? 0 : 1) ? bad(CODE.protocolError) : undefined;
      case SETTING.maxConcurrentStreams:
        this.maxConcurrentStreams = value;
        return undefined;
      case SETTING.initialWindowSize:
        if (value > MAX_WINDOW) return bad(CODE.flowControlError);
        this.initialWindow = value;
        return undefined;
      case SETTING.maxFrameSize:
        if (value < DEFAULT_FRAME_BYTES || value > MAX_FRAME_BYTES) return bad(CODE.protocolError);
        this.maxFrame = value;
        return undefined;
      case SETTING.enableConnectProtocol:
        // RFC 8441 §3: once allowed it can not be taken back.
        if (value > 1 || (value === 0 && this.connectProtocol)) return bad(CODE.protocolError);
        this.connectProtocol = value === 1;
        return undefined;
      default:
        return undefined;
    }
  }
}
