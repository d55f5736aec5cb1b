// The five primes of XXH64 (xxHash specification §XXH64), as halves.
const P1_HIGH = 0x9e3779b1;
const P1_LOW = 0x85ebca87;
const P2_HIGH = 0xc2b2ae3d;
const P2_LOW = 0x27d4eb4f;
const P3_HIGH = 0x165667b1;
const P3_LOW = 0x9e3779f9;
const P4_HIGH = 0x85ebca77;
const P4_LOW = 0xc2b2ae63;
const P5_HIGH = 0x27d4eb2f;
const P5_LOW = 0x165667c5;

const STRIPE = 32;
const FIRST_SCRATCH_BYTES = 256;

/** Upper half of the product of two 32-bit numbers. */
function upperProduct(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + Math.floor(middle / 0x1_0000) + Math.floor(other / 0x1_0000);
}

/**
 * XXH64, whose result is left in `high` and `low`: numbers of 64 bits would be objects, and this runs for each request.
 * One instance serves one thread; a call overwrites the result of the former.
 */
export class Xxh64 {
  /** 0 high, 1 low: the running value · 2–9: four lanes. */
  readonly #state = new Uint32Array(10);
  #scratch = Buffer.allocUnsafe(FIRST_SCRATCH_BYTES);

  get high(): number {
    return this.#state[0] ?? 0;
  }
  get low(): number {
    return this.#state[1] ?? 0;
  }

  /** Of the text's UTF-8 bytes. @param seed 32 bits are enough for all uses here. */
  text(text: string, seed = 0): void {
    const most = text.length * 3;
    if (most > this.#scratch.length) this.#scratch = Buffer.allocUnsafe(most);
    const length = this.#scratch.write(text, 0, 'utf8');
    this.bytes(this.#scratch, 0, length, seed);
  }

  bytes(buffer: Uint8Array, start: number, end: number, seed = 0): void {
    const state = this.#state;
    const length = end - start;
    let at = start;
    if (length >= STRIPE) {
      at = this.#stripes(buffer, start, end, seed);
    } else {
      state[0] = 0;
      state[1] = seed;
      this.#add(P5_HIGH, P5_LOW);
    }
    this.#add(0, length);
    for (; at + 8 <= end; at += 8) {
      this.#mixLane(word(buffer, at + 4), word(buffer, at));
      this.#rotate(27);
      this.#multiply(P1_HIGH, P1_LOW);
      this.#add(P4_HIGH, P4_LOW);
    }
    if (at + 4 <= end) {
      const value = word(buffer, at);
      const low = Math.imul(value, P1_LOW);
      const high = upperProduct(value, P1_LOW) + Math.imul(value, P1_HIGH);
      this.#xor(high, low);
      this.#rotate(23);
      this.#multiply(P2_HIGH, P2_LOW);
      this.#add(P3_HIGH, P3_LOW);
      at += 4;
    }
    for (; at < end; at += 1) {
      const value = buffer[at] ?? 0;
      const low = Math.imul(value, P5_LOW);
      const high = upperProduct(value, P5_LOW) + Math.imul(value, P5_HIGH);
      this.#xor(high, low);
      this.#rotate(11);
      this.#multiply(P1_HIGH, P1_LOW);
    }
    this.#shiftXor(33);
    this.#multiply(P2_HIGH, P2_LOW);
    this.#shiftXor(29);
    this.#multiply(P3_HIGH, P3_LOW);
    this.#shiftXor(32);
  }

  #stripes(buffer: Uint8Array, start: number, end: number, seed: number): number {
    const state = this.#state;
    this.#begin(2, seed, P1_HIGH, P1_LOW);
    this.#addTo(2, P2_HIGH, P2_LOW);
    this.#begin(4, seed, P2_HIGH, P2_LOW);
    this.#begin(6, seed, 0, 0);
    this.#begin(8, seed, 0, 0);
    this.#addTo(8, ~P1_HIGH, -P1_LOW);
    let at = start;
    for (; at + STRIPE <= end; at += STRIPE) {
      for (let lane = 0; lane < 4; lane += 1)
        this.#round(2 + lane * 2, word(buffer, at + lane * 8 + 4), word(buffer, at + lane * 8));
    }
    state[0] = 0;
    state[1] = 0;
    for (let lane = 0; lane < 4; lane += 1) {
      const high = state[2 + lane * 2] ?? 0;
      const low = state[3 + lane * 2] ?? 0;
      const by = LANE_ROTATIONS[lane] ?? 0;
      this.#add((high << by) | (low >>> (32 - by)), (low << by) | (high >>> (32 - by)));
    }
    for (let lane = 0; lane < 4; lane += 1) {
      const high = state[2 + lane * 2] ?? 0;
      const low = state[3 + lane * 2] ?? 0;
      this.#mixLane(high, low);
      this.#multiply(P1_HIGH, P1_LOW);
      this.#add(P4_HIGH, P4_LOW);
    }
    return at;
  }

  #begin(at: number, seed: number, high: number, low: number): void {
    this.#state[at] = 0;
    this.#state[at + 1] = seed;
    this.#addTo(at, high, low);
  }

  /** One lane takes eight bytes. */
  #round(at: number, high: number, low: number): void {
    const state = this.#state;
    this.#addTo(
      at,
      upperProduct(low, P2_LOW) + Math.imul(low, P2_HIGH) + Math.imul(high, P2_LOW),
      Math.imul(low, P2_LOW),
    );
    const h = state[at] ?? 0;
    const l = state[at + 1] ?? 0;
    const rotatedHigh = ((h << 31) | (l >>> 1)) >>> 0;
    const rotatedLow = ((l << 31) | (h >>> 1)) >>> 0;
    state[at] = upperProduct(rotatedLow, P1_LOW) + Math.imul(rotatedLow, P1_HIGH) + Math.imul(rotatedHigh, P1_LOW);
    state[at + 1] = Math.imul(rotatedLow, P1_LOW);
  }

  /** The running value takes a lane that starts at zero. */
  #mixLane(high: number, low: number): void {
    const state = this.#state;
    const runningHigh = state[0] ?? 0;
    const runningLow = state[1] ?? 0;
    state[0] = 0;
    state[1] = 0;
    this.#round(0, high >>> 0, low >>> 0);
    this.#xor(runningHigh, runningLow);
  }

  #add(high: number, low: number): void {
    this.#addTo(0, high, low);
  }

  #addTo(at: number, high: number, low: number): void {
    const state = this.#state;
    const sum = (state[at + 1] ?? 0) + (low >>> 0);
    state[at + 1] = sum;
    state[at] = (state[at] ?? 0) + (high >>> 0) + (sum > 0xffff_ffff ? 1 : 0);
  }

  #xor(high: number, low: number): void {
    const state = this.#state;
    state[0] = (state[0] ?? 0) ^ high;
    state[1] = (state[1] ?? 0) ^ low;
  }

  #rotate(by: number): void {
    const state = this.#state;
    const high = state[0] ?? 0;
    const low = state[1] ?? 0;
    state[0] = (high << by) | (low >>> (32 - by));
    state[1] = (low << by) | (high >>> (32 - by));
  }

  /** value ^= value >>> by */
  #shiftXor(by: number): void {
    const high = this.high;
    const low = this.low;
    if (by === 32) this.#xor(0, high);
    else if (by > 32) this.#xor(0, high >>> (by - 32));
    else this.#xor(high >>> by, (low >>> by) | (high << (32 - by)));
  }

  #multiply(high: number, low: number): void {
    const state = this.#state;
    const h = state[0] ?? 0;
    const l = state[1] ?? 0;
    state[0] = upperProduct(l, low) + Math.imul(l, high) + Math.imul(h, low);
    state[1] = Math.imul(l, low);
  }
}

const LANE_ROTATIONS = [1, 7, 12, 18];

const word = (buffer: Uint8Array, at: number): number =>
  ((buffer[at] ?? 0) | ((buffer[at + 1] ?? 0) << 8) | ((buffer[at + 2] ?? 0) << 16) | ((buffer[at + 3] ?? 0) << 24)) >>>
  0;
