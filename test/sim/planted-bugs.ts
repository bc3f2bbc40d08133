/**
 * Plants bugs one by one in a copy of the sources and lets the simulation look for them: does it find what it is for? Prints which seed found each, after how
 * long, by which check. `node test/sim/planted-bugs.ts [name…]`; exits 1 when one was not found within its budget.
 */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Bug {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const bugs: readonly Bug[] = [
  {
    name: 'skipped sync of the log',
    file: 'storage-node/log/log.ts',
    from: '    await tail.file.sync();\n    this.dirtyTail = false;',
    to: '    this.dirtyTail = false;',
  },
  {
    name: 'wrong merge: an older version replaces a newer',
    file: 'storage-node/register.ts',
    from: "if (order < 0) return { decision: 'superseded', by: newer(accepted, promised) };",
    to: '',
  },
  {
    name: 'promises are not kept',
    file: 'storage-node/register.ts',
    from: 'if (promised !== undefined && compareVersions(version, promised) < 0)',
    to: 'if (promised === undefined && accepted === undefined && version.timeUs < 0)',
  },
  {
    name: 'one of three acknowledges a write',
    file: 'cluster/quorum.ts',
    from: '{ majority: 2, blocking: 2 },',
    to: '{ majority: 1, blocking: 3 },',
  },
  {
    name: 'a read does not write back',
    file: 'cluster/row-reader.ts',
    from: 'if (seen.holders >= majority) return this.complete(key, body, seen);',
    to: 'if (seen.holders >= 1) return this.complete(key, body, seen);',
  },
  {
    name: 'blocks of blobs are not verified',
    file: 'storage-node/blobs/block-sums.ts',
    from: 'if (crc32c(bytes.subarray(at, at + blockBytes)) !== table.readUInt32LE(block * 4)) return false;',
    to: '',
  },
  {
    name: 'an empty disk answers readers',
    file: 'storage-node/store/refill-mark.ts',
    from: 'if (this.active) throw refilling();',
    to: '',
  },
  {
    name: 'early reclaim: no time of grace',
    file: 'replicator/reclaim/suspects.ts',
    from: 'if (known.ageMs < graceMs) continue;',
    to: '',
  },
  {
    name: 'reclaim overlooks what one device alone holds',
    file: 'replicator/reclaim/roots.ts',
    from: 'return { peers: agreed ? holders.slice(0, 1) : holders, agreed };',
    to: 'return { peers: holders.slice(0, 1), agreed };',
  },
  {
    name: 'lost hand-back: a stand-in lets go before the owners have it',
    file: 'replicator/copy/mender.ts',
    from: '    if (sources.length === 0) return;',
    to: `    for (const one of strangers)
      await one.call((service) => service.deleteBlob({ id: blob.id, hash: blob.hash }));
    if (sources.length === 0 || strangers.length > 0) return;`,
  },
  {
    name: 'a refill ends before everything was copied',
    file: 'replicator/workers/repair.ts',
    from: 'if (!pass.whole || pass.behind.has(peer.device)) continue;',
    to: '',
  },
  {
    name: 'a late write brings back what was deleted and forgotten',
    file: 'storage-node/register.ts',
    from: 'if (forgottenUs === 0 || state.accepted !== undefined || version.timeUs > forgottenUs)',
    to: 'if (forgottenUs >= 0)',
  },
  {
    name: 'the end of a refill is not synced',
    file: 'storage-node/store/refill-mark.ts',
    from: 'await this.disk.syncDirectory(this.folder);',
    to: '',
  },
  {
    name: 'a stand-in that agrees keeps its rows',
    file: 'replicator/compare/row-differences.ts',
    from: 'at >= owners ? one === undefined : one?.aggregate.digest === digest,',
    to: 'at >= owners && one === undefined ? true : one?.aggregate.digest === digest,',
  },
];

const root = join(import.meta.dirname, '../..');
const rooms = ['common', 'ring', 'wire', 'cluster', 'storage-node', 'replicator', 'test/sim'];
const minutes = '4';
const days = '1';

function plant(bug: Bug, folder: string): void {
  for (const room of [...rooms, 'test/support', 'package.json', 'tsconfig.json'])
    fs.cpSync(join(root, room), join(folder, room), { recursive: true });
  fs.symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const path = join(folder, bug.file);
  const source = fs.readFileSync(path, 'utf8');
  if (!source.includes(bug.from)) throw new Error(`${bug.file} no longer holds: ${bug.from}`);
  fs.writeFileSync(path, source.replace(bug.from, bug.to));
}

/** Returns what was found, or undefined. */
function search(bug: Bug): string | undefined {
  const folder = fs.mkdtempSync(join(tmpdir(), 'pileus-planted-'));
  try {
    plant(bug, folder);
    const args = ['--seeds', '1000', '--days', days, '--minutes', minutes];
    const run = spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(folder, 'test/sim/run.ts'), ...args],
      { encoding: 'utf8', timeout: 600_000, maxBuffer: 64 * 1024 * 1024 },
    );
    if (run.status === 0) return undefined;
    const lines = `${run.stdout}${run.stderr}`.split('\n');
    const seed = lines.findLast((line) => line.startsWith('seed '))?.match(/^seed (\d+)/)?.[1];
    const why = lines.find((line) => line.startsWith('  ') || /Error|Failure/.test(line));
    return `seed ${seed ?? 'of a crash'}: ${why?.trim().slice(0, 110)}`;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

const wanted = process.argv.slice(2);
for (const bug of bugs) {
  if (wanted.length > 0 && !wanted.some((word) => bug.name.includes(word))) continue;
  const beganMs = performance.now();
  const found = search(bug);
  const tookS = ((performance.now() - beganMs) / 1000).toFixed(0);
  console.log(
    `${found === undefined ? 'NOT FOUND' : 'found'} in ${tookS} s | ${bug.name} | ${found ?? ''}`,
  );
  if (found === undefined) process.exitCode = 1;
}
