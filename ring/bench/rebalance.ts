/**
 * The CPU time of building a large ring, here and by the real swift-ring-builder, in interleaved runs:
 * `node ring/bench/rebalance.ts [PART_POWER] [RUNS]`. Needs Debian's package `swift`.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { buildRing, encodeRingFile, measureRing, parseRingSpec, type Ring } from '#ring';

const partPower = Number(process.argv[2] ?? 18);
const runs = Number(process.argv[3] ?? 3);

/** 128 devices on 16 nodes in 4 zones; then one more node, one device less, and another weight. */
function steps(): object[] {
  const devices = Array.from({ length: 136 }, (_, id) => ({
    id,
    region: 1,
    zone: id % 4,
    ip: `10.0.${id % 4}.${id >> 5}`,
    port: 6200,
    device: `d${id}`,
    weight: 100,
  }));
  const of = (chosen: object[]) => ({
    part_power: partPower,
    replicas: 3,
    overload: 0,
    devices: chosen,
  });
  const grown = devices.filter((device) => device.id !== 17);
  return [
    of(devices.slice(0, 128)),
    of(devices),
    of(grown),
    of(grown.map((device) => (device.id % 9 === 0 ? { ...device, weight: 150 } : device))),
  ];
}

interface Figures {
  readonly moved: number;
  readonly balance: number;
  readonly dispersion: number;
  readonly cpu: number;
}

function runHere(): { figures: Figures[]; whole: number } {
  const begin = process.cpuUsage();
  let ring: Ring | undefined;
  const figures = steps().map((step) => {
    const start = process.cpuUsage();
    const built = buildRing(parseRingSpec(step), ring);
    const used = process.cpuUsage(start);
    ring = built.ring;
    const { balance, dispersion } = measureRing(ring);
    return {
      moved: built.replicasMoved,
      balance,
      dispersion,
      cpu: (used.user + used.system) / 1e6,
    };
  });
  if (ring !== undefined) encodeRingFile(ring);
  const all = process.cpuUsage(begin);
  return { figures, whole: (all.user + all.system) / 1e6 };
}

function runSwift(): Figures[] {
  const script = fileURLToPath(new URL('../conformance/swift-build.py', import.meta.url));
  const input = JSON.stringify({ steps: steps(), seed: 1 });
  const child = spawnSync('/usr/bin/python3', [script], { input, maxBuffer: 2 ** 24 });
  if (child.status !== 0) throw new Error(child.stderr.toString());
  return JSON.parse(child.stdout.toString());
}

const names = ['build', 'add a node', 'remove a device', 're-weight'];
for (let run = 0; run < runs; run++) {
  const here = runHere();
  const swift = runSwift();
  for (const [index, name] of names.entries()) {
    const ours = here.figures[index];
    const theirs = swift[index];
    if (ours === undefined || theirs === undefined) throw new Error('a step has no figures');
    console.log(
      `run ${run} ${name.padEnd(16)} cpu s ${ours.cpu.toFixed(2)} / ${theirs.cpu.toFixed(2)} ` +
        `(1/${(theirs.cpu / ours.cpu).toFixed(1)})  moved ${ours.moved} / ${theirs.moved}  ` +
        `balance ${ours.balance.toFixed(3)} / ${theirs.balance.toFixed(3)}  ` +
        `dispersion ${ours.dispersion.toFixed(3)} / ${theirs.dispersion.toFixed(3)}`,
    );
  }
  console.log(`run ${run} all steps, measures and file here: ${here.whole.toFixed(2)} s`);
}
