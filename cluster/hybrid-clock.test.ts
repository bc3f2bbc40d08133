import { expect, test } from 'vitest';
import { type Clock, VirtualClock } from '#common';
import { compareVersions, type Version } from '#wire';
import { HybridClock } from './hybrid-clock.ts';

/** Wall time that jumps as it is told; everything else is a virtual clock's. */
function jumping(): { clock: Clock; setUs: (nowUs: number) => void } {
  const clock = new VirtualClock();
  let nowUs = 1_700_000_000_000_000;
  return {
    clock: Object.assign(Object.create(clock) as Clock, { nowUs: () => nowUs }),
    setUs: (next) => {
      nowUs = next;
    },
  };
}

function rises(versions: readonly Version[]): boolean {
  return versions.every((version, at) => {
    const before = versions[at - 1];
    return before === undefined || compareVersions(version, before) > 0;
  });
}

test('versions rise while wall time stands, jumps back by a day, or ahead by one and back again', () => {
  const { clock, setUs } = jumping();
  const hybrid = new HybridClock(clock, 7);
  const versions: Version[] = [];
  for (const nowUs of [1e15, 1e15, 1e15 - 86_400e6, 1e15 + 86_400e6, 1e15 + 5, 1e15 + 90_000e6]) {
    setUs(nowUs);
    versions.push(hybrid.next(), hybrid.next());
  }
  expect(rises(versions)).toBe(true);
  expect(versions.at(-2)).toEqual({ timeUs: 1e15 + 90_000e6, coordinator: 7 });
});

test('a version of a clock that is ahead is overtaken by the next one', () => {
  const { clock } = jumping();
  const hybrid = new HybridClock(clock, 1);
  const seen = { timeUs: clock.nowUs() + 3_600e6, coordinator: 9 };
  hybrid.observe(seen);
  expect(compareVersions(hybrid.next(), seen)).toBe(1);
});

test('a version of a clock that is centuries off is refused and not followed', () => {
  const { clock } = jumping();
  const hybrid = new HybridClock(clock, 1);
  expect(() => hybrid.observe({ timeUs: 2 ** 53 - 1, coordinator: 9 })).toThrow('centuries');
  expect(hybrid.next().timeUs).toBe(clock.nowUs());
});
