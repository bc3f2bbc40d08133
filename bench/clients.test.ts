import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { measure } from './measure.ts';
import { volumePreset } from './presets.ts';
import { readResult } from './result.ts';

/** fio as it is, against a real NBD server. */
describe('volume bench', () => {
  let folder = '';
  let server: ChildProcess;
  let uri = '';
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bench-volume-'));
    const [disk, socket] = [join(folder, 'disk.raw'), join(folder, 'nbd.sock')];
    writeFileSync(disk, '');
    truncateSync(disk, 64 * 1024 ** 2);
    server = spawn('qemu-nbd', ['-t', '-e', '8', '-f', 'raw', '-x', 'vol', '-k', socket, disk], {
      stdio: 'inherit',
    });
    for (let tries = 0; tries < 200 && !existsSync(socket); tries++) await sleep(50);
    uri = `nbd+unix:///vol?socket=${socket}`;
  });
  afterAll(() => {
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  const options = {
    ...{
      objects: () => [],
      rounds: 1,
      retries: 0,
      container: '',
      workers: 1,
      deletes: 0,
      keep: false,
      say: () => {},
    },
    volumes: () => volumePreset('quick', { durationS: 1, warmUpS: 0, workers: 1 }, 32 * 1024 ** 2),
  };

  it('measures reads and flushed writes, and writes a result that can be read', async () => {
    const json = join(folder, 'result.json');
    const target = { kind: 'nbd' as const, name: 'qemu', uri, server: { pids: [server.pid ?? 0] } };
    const rows = await measure([target], { ...options, overwrite: true, json });
    expect(rows.map((row) => Object.keys(row.operations))).toEqual([['read'], ['write']]);
    for (const row of rows) {
      expect(row.total.ops_per_s).toBeGreaterThan(0);
      expect(row.total.latency_ms?.p99_9).toBeGreaterThan(0);
      expect(row.server_cpu_s).toBeGreaterThan(0);
    }
    expect(readResult(json).rows).toEqual(rows);
  });

  it('does not touch a volume without leave, and says when one does not answer', async () => {
    const target = { kind: 'nbd' as const, uri };
    await expect(
      measure([target], { ...options, overwrite: false, json: undefined }),
    ).rejects.toThrow(/--overwrite/);
    const nobody = { kind: 'nbd' as const, uri: `${uri}.gone` };
    await expect(
      measure([nobody], { ...options, overwrite: true, json: undefined }),
    ).rejects.toThrow(/fio failed/);
  });
});
