import { describe, expect, test } from 'vitest';
import { systemClock, VirtualClock } from './clock.ts';

describe('VirtualClock', () => {
  test('fires timers in order of time, then of creation, and stands still between', async () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    clock.after(20, () => fired.push('late'));
    clock.after(10, () => fired.push('first'));
    clock.after(10, () => fired.push('second'));
    const cancelled = clock.after(5, () => fired.push('never'));
    cancelled.cancel();
    const startUs = clock.nowUs();
    await clock.advance(15);
    expect(fired).toEqual(['first', 'second']);
    expect(clock.nowUs() - startUs).toBe(15_000);
    await clock.advance(15);
    expect(fired).toEqual(['first', 'second', 'late']);
  });

  test('lets a chain of sleepers run within one advance', async () => {
    const clock = new VirtualClock();
    let laps = 0;
    const sleeper = async () => {
      for (; laps < 5; laps++) await clock.sleep(10);
    };
    const done = sleeper();
    await clock.advance(50);
    await done;
    expect(laps).toBe(5);
  });
});

describe.each([
  ['virtual', new VirtualClock()],
  ['system', systemClock],
] as const)('sleep on the %s clock', (_name, clock) => {
  test('is called off by its signal', async () => {
    const stop = new AbortController();
    const sleeping = clock.sleep(60_000, stop.signal);
    stop.abort();
    await expect(sleeping).rejects.toMatchObject({ kind: 'closed', code: 'sleep-aborted' });
    await expect(clock.sleep(60_000, stop.signal)).rejects.toMatchObject({ kind: 'closed' });
  });
});
