import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { benchProgram } from './commands.ts';
import { readResult } from './result.ts';
import { type ObjectServer, startObjectServer } from './testing/object-server.ts';

describe('bench commands', () => {
  let folder = '';
  let servers: ObjectServer[] = [];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bench-commands-'));
    servers = [await startObjectServer(), await startObjectServer()];
    // Stands in for the servers' processes: their CPU is this process's own here.
    writeFileSync(join(folder, 'server.pid'), `${process.pid}`);
  });
  afterAll(async () => {
    for (const server of servers) await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = async (...args: string[]): Promise<string> => {
    let printed = '';
    const program = benchProgram(
      (text) => {
        printed += text;
      },
      () => {},
    );
    for (const command of [program, ...program.commands]) {
      command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
    }
    await program.parseAsync(args, { from: 'user' });
    return printed;
  };
  const url = (at: number): string =>
    `swift+http://test:tester:testing@127.0.0.1:${servers[at]?.port}/auth/v1.0`;
  const brief = ['--duration', '0.3', '--warm-up', '0.1', '--population', '8'];

  it('compares two targets in turns and can show the recorded result again', async () => {
    const json = join(folder, 'result.json');
    const places = ['--pid-folder-a', folder, '--pid-folder-b', folder];
    const printed = await run(
      'compare',
      url(0),
      url(1),
      ...brief,
      '--rounds',
      '2',
      ...places,
      '--json',
      json,
    );
    expect(printed).toMatch(/PUT 4 KiB ×32 .*[\d.]+× /);
    const { rows } = readResult(json);
    const [a, b] = [`swift 127.0.0.1:${servers[0]?.port}`, `swift 127.0.0.1:${servers[1]?.port}`];
    // Two workloads; the second round the other way round.
    expect(rows.map((row) => row.target)).toEqual([a, b, a, b, b, a, b, a]);
    expect(rows.map((row) => row.round)).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
    for (const row of rows) expect(row.server_cpu_ms_per_op).toBeGreaterThan(0);
    expect(await run('show', json)).toBe(printed);
  });

  it('runs a workload of one’s own, and only the rows asked for', async () => {
    const own = await run(
      'object',
      url(0),
      ...brief,
      '--mix',
      'read=1',
      '--sizes',
      '1KiB',
      '--concurrency',
      '3',
    );
    expect(own).toContain('read=1 1KiB ×3');
    const only = await run('object', url(0), ...brief, '--only', 'GET');
    expect(only).not.toContain('PUT');
  });

  it.each([
    [['object'], /missing required argument/],
    [['object', 'x', '--duration', '0'], /a number from/],
    [['object', 'x', '--workers', '1.5'], /a whole number/],
    [['object', 'x', '--preset', 'none'], /Allowed choices/],
    [['object', 'nowhere.json'], /neither a known URL nor a file/],
    [['volume', 'nbd://127.0.0.1:9/v'], /--overwrite/],
    [['what'], /unknown command/],
  ])('refuses %j', async (args, message) => {
    await expect(run(...args)).rejects.toThrow(message);
  });

  it('refuses when no row is left', async () => {
    await expect(run('object', url(0), '--only', 'nothing like it')).rejects.toThrow(/No workload/);
  });
});
