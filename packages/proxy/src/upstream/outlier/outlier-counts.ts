/** What outlier detection remembers of one host; it moves along when the cluster is updated. */
export class OutlierCounts {
  consecutive5xx = 0;
  consecutiveGateway = 0;
  consecutiveLocal = 0;
  readonly answers = new RateWindow();
  /** Connections and other attempts that got no answer or one; used when they are counted apart. */
  readonly local = new RateWindow();
  /** Times the base ejection time that the next ejection lasts. */
  backoff = 0;
  ejectedAtMs = 0;
  jitterMs = 0;

  resetConsecutive(): void {
    this.consecutive5xx = 0;
    this.consecutiveGateway = 0;
    this.consecutiveLocal = 0;
  }
}

/** Successes among calls since the last sweep. */
class RateWindow {
  total = 0;
  succeeded = 0;
  /** Of the window before: percent, and how many calls it is made of; -1 when too few were made. */
  lastRate = -1;
  lastTotal = 0;
  /** For people: -1 until a sweep saw enough calls. */
  shownRate = -1;

  add(success: boolean): void {
    this.total += 1;
    if (success) this.succeeded += 1;
  }

  turn(): void {
    this.lastTotal = this.total;
    this.lastRate = this.total === 0 ? -1 : (100 * this.succeeded) / this.total;
    this.total = 0;
    this.succeeded = 0;
    this.shownRate = -1;
  }
}
