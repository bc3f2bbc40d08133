/** The process that works on an operation is killed at every point where that could leave a difference. */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSample } from './testing/sample.ts';

const script = join(import.meta.dirname, 'testing/crash.ts');
const steps = ['first', 'second', 'third', 'fourth'];
const forward = steps.flatMap((step) =>
  ['begun', 'worked', 'recorded'].map((at) => `${step}:${at}`),
);
const ofChild = ['child:begun', 'child:worked', 'child:recorded'];
const back = [
  'turned-back',
  ...steps.flatMap((step) => ['undone', 'undo-recorded'].map((at) => `${step}:${at}`)),
];

/** Starts the workflow in a process that dies at `point`; what it said before. */
function die(folder: string, point: string, fails: boolean): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const args = [script, folder, point, String(fails)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (bytes) => {
      said += bytes;
    });
    child.on('error', reject);
    child.on('close', () => resolve(said.trim().split('\n')));
  });
}

async function surviving(point: string, fails: boolean) {
  const folder = fs.mkdtempSync(join(tmpdir(), 'pileus-operations-'));
  const [id = '', ended] = await die(folder, point, fails);
  const room = await openSample(folder);
  const operation = await room.operations.outcome(id, AbortSignal.timeout(20_000));
  await room.close();
  const made = fs.readdirSync(folder).filter((name) => name.endsWith('.made'));
  fs.rmSync(folder, { recursive: true });
  return { ended, state: operation.state, made: made.sort() };
}

/** Two at a time: each is a process. */
async function each<T>(points: readonly string[], work: (point: string) => Promise<T>) {
  const results = new Map<string, T>();
  const left = [...points];
  const take = async () => {
    for (let point = left.shift(); point !== undefined; point = left.shift())
      results.set(point, await work(point));
  };
  await Promise.all([take(), take(), take()]);
  return results;
}

describe('killed at every step', { timeout: 240_000 }, () => {
  it('an operation goes on to its end', async () => {
    const results = await each([...forward, ...ofChild, 'ended'], (point) =>
      surviving(point, false),
    );
    const whole = ['child.made', 'first.made', 'third.made'];
    for (const [point, result] of results) {
      // The child's own end comes first.
      expect([point, result]).toEqual([
        point,
        { ended: undefined, state: 'succeeded', made: whole },
      ]);
    }
  });

  it('an operation that fails is undone to the last trace', async () => {
    const results = await each(['fourth:begun', ...back], (point) => surviving(point, true));
    for (const [point, result] of results)
      expect([point, result]).toEqual([point, { ended: undefined, state: 'failed', made: [] }]);
  });
});
