import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { bytesOnDisk, family, parseStat, serverRoots, watchMachine } from './processes.ts';

describe('processes', () => {
  it('reads a stat line whose command holds blanks and brackets', () => {
    const fields = ['S', '7', ...Array(9).fill('0'), '100', '50', '20', '30'];
    expect(parseStat(`42 (a) b (c) ${fields.join(' ')} 0 0`, 100)).toEqual({
      parent: 7,
      cpuS: 2,
      isKernel: false,
    });
  });

  it('finds a family, whatever the order of the pids', () => {
    const of = (parent: number) => ({ parent, cpuS: 0, isKernel: false });
    const processes = new Map([
      [9, of(1)],
      [3, of(9)],
      [20, of(3)],
      [21, of(1)],
    ]);
    expect(family(processes, [9, 404])).toEqual(new Set([9, 3, 20]));
  });

  it('tells the CPU of a server and its children from its own', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bench-pids-'));
    // A shell whose child does the work, as servers with workers have it.
    const busy = spawn('sh', ['-c', 'sh -c "while :; do :; done" & wait'], {
      detached: true,
      stdio: 'ignore',
    });
    try {
      writeFileSync(join(folder, 'server.pid'), `${busy.pid}\n`);
      const place = { pid_folder: folder };
      expect(serverRoots(place)).toEqual([busy.pid]);
      const used = watchMachine(place);
      await sleep(600);
      const use = used();
      expect(use.serverCpuS).toBeGreaterThan(0.05);
      expect(use.serverCpuS).toBeGreaterThan(use.generatorCpuS);
      expect(use.serverMemoryBytes).toBeGreaterThan(0);
      expect(watchMachine(undefined)().serverCpuS).toBeUndefined();
    } finally {
      if (busy.pid !== undefined) process.kill(-busy.pid, 'SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('counts what a folder takes on disk, and refuses one that is not there', () => {
    const folder = mkdtempSync(join(tmpdir(), 'bench-disk-'));
    const before = bytesOnDisk(folder) ?? 0;
    writeFileSync(join(folder, 'file'), Buffer.alloc(100_000, 1));
    expect(bytesOnDisk(folder)).toBeGreaterThanOrEqual(before + 100_000);
    rmSync(join(folder, 'file'));
    expect(() => serverRoots({ pid_folder: folder })).toThrow(/No pid file/);
    rmSync(folder, { recursive: true });
    expect(() => bytesOnDisk(folder)).toThrow(/cannot be measured/);
  });
});
