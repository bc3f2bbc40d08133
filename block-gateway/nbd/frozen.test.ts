/**
 * A gateway that is frozen while a guest writes through it, loses its volume by force to another one, and thaws: whatever it still gets is refused, and
 * the volume is what the other gateway made of it.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clusterSettings, createCluster, fixedPlacement } from '#cluster';
import {
  createMetrics,
  defaultsOf,
  MemoryDisk,
  silentLogger,
  systemClock,
  systemRandom,
} from '#common';
import { createMemoryDevice } from '#storage-node';
import { serveDevices, wireSettings } from '#wire';
import { blockGatewaySettings } from '../settings.ts';
import { ChildGateway } from '../testing/child-gateway.ts';
import { createVolumes } from '../volumes/volumes.ts';

const run = promisify(execFile);
const python = '/usr/bin/python3';
const sizeBytes = 16 * 1024 * 1024;
const leaseMs = 1000;

// Writes a block and flushes, again and again; says what was flushed, and what was refused.
const writer = `
import nbd, sys
h = nbd.NBD(); h.connect_uri(sys.argv[1])
for at in range(100000):
    try:
        h.pwrite(b"%08d" % at * 512, (at % 64) * 4096)
        h.flush()
        print("flushed", at, flush=True)
    except nbd.Error as e:
        print("refused", at, flush=True); break
for at in range(5):
    for work in (lambda: h.pwrite(b"late" * 1024, 0), lambda: h.flush(), lambda: h.zero(4096, 0)):
        try: work(); print("answered")
        except nbd.Error: print("refused")
`;

describe('a frozen gateway', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pileus-frozen-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it.each(['local', 'replicated'] as const)(
    'that thaws can change nothing (%s)',
    async (durability) => {
      const shared = { clock: systemClock, random: systemRandom, log: silentLogger };
      const devices = new Map(
        [0, 1, 2, 3].map((number) => [number, createMemoryDevice()] as const),
      );
      const path = join(folder, 'node.sock');
      const node = await serveDevices({
        ...shared,
        cluster: 'test',
        devices,
        address: { path },
        tls: 'plaintext',
        settings: defaultsOf(wireSettings),
      });
      const cluster = createCluster({
        ...shared,
        ring: fixedPlacement([0, 1, 2], [3]),
        devices,
        salt: Buffer.alloc(16, 7),
        coordinator: systemRandom.below(2 ** 32),
        settings: defaultsOf(clusterSettings),
        metrics: createMetrics(),
      });
      const volumes = await createVolumes({
        ...shared,
        tables: cluster.tables,
        blobs: cluster.blobs,
        disk: new MemoryDisk(),
        folder: '/log',
        settings: { ...defaultsOf(blockGatewaySettings), leaseMs },
        metrics: createMetrics(),
        gateway: 'gateway-2',
      });
      const made = await volumes.create({ name: 'v', project: 'p', sizeBytes, durability });
      const frozen = await ChildGateway.start(folder, sizeBytes, { leaseMs }, path);
      try {
        const writing = run(python, ['-c', writer, frozen.uri], { maxBuffer: 2 ** 24 });
        await sleep(800);
        frozen.signal('SIGSTOP');
        await volumes.detach(made.id, 'none', { force: true });
        const { volume, release } = await volumes.open(made.id);
        const before = Buffer.alloc(64 * 4096);
        await volume.read(0, before.length, before, 0);
        const mine = Buffer.alloc(4096, 'mine');
        await volume.write(4096, mine, 0, mine.length);
        await volume.flush();
        frozen.signal('SIGCONT');
        const { stdout } = await writing;
        const lines = stdout.trim().split('\n');
        const flushed = lines.filter((line) => line.startsWith('flushed')).length;
        expect(flushed).toBeGreaterThan(0);
        expect(lines.slice(flushed)).toEqual([`refused ${flushed}`, ...Array(15).fill('refused')]);
        const after = Buffer.alloc(before.length);
        await volume.read(0, after.length, after, 0);
        mine.copy(before, 4096);
        expect(after.equals(before)).toBe(true);
        if (durability === 'replicated') {
          // Every flush that was answered is in what the other gateway found.
          const last = flushed - 1;
          const block = after.toString('latin1', (last % 64) * 4096, (last % 64) * 4096 + 8);
          if (last % 64 !== 1) expect(Number(block)).toBeGreaterThanOrEqual(last);
        }
        release();
      } finally {
        await frozen.kill();
        await volumes.close();
        await cluster.close();
        await node.close();
      }
    },
  );
});
