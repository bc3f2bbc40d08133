/** `pileus sim`: simulates clusters, seed after seed, and prints what was found and how to see it again. */
import * as fs from 'node:fs';
import { parseArgs } from 'node:util';
import { decodeRingFile } from '#ring';
import { simulate } from './simulation/simulation.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    days: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    ring: { type: 'string' },
    events: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed);
const days = Number(values.days);
const count = Number(values.seeds);
const limitMs =
  values.minutes === undefined ? Number.POSITIVE_INFINITY : Number(values.minutes) * 60_000;
const ring =
  values.ring === undefined ? {} : { ring: decodeRingFile(fs.readFileSync(values.ring)) };
const startMs = performance.now();
let daysDone = 0;
for (let seed = first; seed < first + count && performance.now() - startMs < limitMs; seed++) {
  const beganMs = performance.now();
  const onEvent = values.events ? { onEvent: (line: string) => console.log(line) } : {};
  const report = await simulate({ seed, days, ...ring, ...onEvent });
  daysDone += report.days;
  const tookS = ((performance.now() - beganMs) / 1000).toFixed(1);
  console.log(
    `seed ${seed}: ${report.days.toFixed(2)} days in ${tookS} s, ${report.operations} operations, ${report.faults} faults, ${report.messages} messages, ${report.reclaimedBlobs} orphans reclaimed, trace ${report.trace}`,
  );
  if (report.violations.length === 0) continue;
  for (const violation of report.violations) console.log(`  ${violation}`);
  const more = values.ring === undefined ? '' : ` --ring ${values.ring}`;
  console.log(`To see it again: ./pileus sim --seed ${seed} --days ${days}${more} --events`);
  process.exitCode = 1;
  break;
}
const minutes = (performance.now() - startMs) / 60_000;
console.log(`${daysDone.toFixed(1)} cluster-days, ${(daysDone / minutes).toFixed(1)} a minute`);
