import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '#common';
import { TimerWheel } from './timer-wheel.ts';

describe('TimerWheel', () => {
  it('expires each entry once, not before its time and at most two ticks after', async () => {
    const delays = fc.array(fc.integer({ min: 1, max: 12_000 }), { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(delays, async (wanted) => {
        const clock = new VirtualClock();
        const wheel = new TimerWheel(clock);
        const fired: { delayMs: number; atMs: number }[] = [];
        for (const delayMs of wanted)
          wheel.add(delayMs, () => fired.push({ delayMs, atMs: clock.monotonicMs() }));
        while (clock.step()) if (clock.monotonicMs() > 20_000) break;
        expect(fired.map(({ delayMs }) => delayMs).sort()).toEqual([...wanted].sort());
        for (const { delayMs, atMs } of fired) {
          expect(atMs).toBeGreaterThanOrEqual(delayMs);
          expect(atMs).toBeLessThanOrEqual(delayMs + 10);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('forgets what was cancelled, and rests when nothing is left', () => {
    const clock = new VirtualClock();
    const wheel = new TimerWheel(clock);
    const entry = wheel.add(50, () => expect.unreachable());
    expect(entry.cancel()).toBe(true);
    expect(entry.cancel()).toBe(false);
    while (clock.step());
    expect(clock.monotonicMs()).toBeLessThan(20);
  });

  it('does not hold a stall of this process against those it waits for', () => {
    const clock = new VirtualClock();
    const wheel = new TimerWheel(clock);
    let expired = 0;
    wheel.add(1000, () => {
      expired += 1;
    });
    clock.step();
    // One late turn, as after a long pause: `step` with a timer due later moves the clock by all of it.
    clock.after(5000, () => undefined);
    expect(expired).toBe(0);
  });

  it('lets what expires add and cancel others of the same slot', () => {
    const clock = new VirtualClock();
    const wheel = new TimerWheel(clock);
    const fired: string[] = [];
    const second = { cancel: () => false };
    wheel.add(20, () => {
      fired.push('first');
      second.cancel();
      wheel.add(20, () => fired.push('third'));
    });
    const entry = wheel.add(20, () => fired.push('second'));
    second.cancel = () => entry.cancel();
    while (clock.step());
    expect(fired).toEqual(['first', 'third']);
  });
});
