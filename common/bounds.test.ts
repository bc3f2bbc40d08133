import { expect, test } from 'vitest';
import { Gate } from './bounds.ts';

test('a gate admits in order, by weight, and turns away what would wait too long', async () => {
  const gate = new Gate({ name: 'uploads', inFlightMax: 3, waitingMax: 2 });
  const admitted: string[] = [];
  await gate.enter(2);
  const heavy = gate.enter(2).then(() => admitted.push('heavy'));
  const light = gate.enter().then(() => admitted.push('light'));
  await expect(gate.enter()).rejects.toMatchObject({ kind: 'busy', code: 'too-many-waiting' });
  // One unit is free, but the heavy one came first: nobody overtakes it.
  expect(admitted).toEqual([]);
  gate.leave(2);
  await Promise.all([heavy, light]);
  expect(admitted).toEqual(['heavy', 'light']);
  expect(gate.inUse).toBe(3);
});

test('what is heavier than the gate enters alone', async () => {
  const gate = new Gate({ name: 'uploads', inFlightMax: 2, waitingMax: 1 });
  await gate.enter(100);
  expect(gate.inUse).toBe(2);
  gate.leave(100);
  expect(await gate.within(async () => gate.inUse)).toBe(1);
  expect(gate.inUse).toBe(0);
});
