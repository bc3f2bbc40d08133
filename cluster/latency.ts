/** How long one device usually takes: what a hedged read waits before it asks another. */

export interface LatencyBounds {
  readonly floorMs: number;
  readonly ceilingMs: number;
}

/**
 * Smoothed mean and mean deviation, as TCP estimates round trips (Jacobson, "Congestion Avoidance and Control", 1988).
 * Mean + 4 deviations lies a little beyond the 95th percentile of the delays met on disks.
 */
export class Latency {
  private readonly bounds: LatencyBounds;
  private meanMs = 0;
  private deviationMs = 0;
  private seen = false;

  constructor(bounds: LatencyBounds) {
    this.bounds = bounds;
  }

  observe(ms: number): void {
    if (!this.seen) {
      this.seen = true;
      this.meanMs = ms;
      this.deviationMs = ms / 2;
      return;
    }
    const off = ms - this.meanMs;
    this.meanMs += off / 16;
    this.deviationMs += (Math.abs(off) - this.deviationMs) / 8;
  }

  /** Beyond this, an answer is late. */
  get limitMs(): number {
    const { floorMs, ceilingMs } = this.bounds;
    return Math.min(ceilingMs, Math.max(floorMs, this.meanMs + 4 * this.deviationMs));
  }
}
