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
    let nowMs = 0;
    let turn = () => {};
    const virtual = new VirtualClock();
    const wheel = new TimerWheel({
      nowUs: () => nowMs * 1000,
      monotonicMs: () => nowMs,
      after: (_, run) => {
        turn = run;
        return { cancel: () => undefined };
      },
      sleep: (delayMs) => virtual.sleep(delayMs),
    });
    let expired = 0;
    wheel.add(1000, () => {
      expired += 1;
    });
    // The process was held up for five seconds, in which answers arrived that nobody has read yet.
    nowMs = 5000;
    turn();
    expect(expired).toBe(0);
    for (let step = 0; step < 200; step++) {
      nowMs += 5;
      turn();
    }
    expect(expired).toBe(1);
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
