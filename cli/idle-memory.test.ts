/** Memory is given back once after each busy spell, and never in the midst of one. */
import { expect, test } from 'vitest';
import { VirtualClock } from '#common';
import { IdleMemory } from './idle-memory.ts';

test('the heap is collected once after the start and once after each busy spell', async () => {
  const clock = new VirtualClock();
  let cpuMs = 0;
  let collected = 0;
  const collect = () => {
    collected += 1;
    // Collecting is work as well, and no reason for another one.
    cpuMs += 5_000;
  };
  const watch = new IdleMemory({ clock, cpuMs: () => cpuMs, collect });
  const pass = async (seconds: number, share: number) => {
    for (let at = 0; at < seconds; at++) {
      cpuMs += 1_000 * share;
      await clock.advance(1_000);
    }
    return collected;
  };
  expect(await pass(60, 0.5)).toBe(0);
  expect(await pass(10, 0.01)).toBe(0);
  expect(await pass(300, 0.01)).toBe(1);
  expect(await pass(40, 0.9)).toBe(1);
  expect(await pass(300, 0.02)).toBe(2);
  watch.close();
  expect(await pass(40, 0.9)).toBe(2);
  expect(await pass(300, 0)).toBe(2);
});
