import { expect, test } from 'vitest';
import type { RowKey, RowWrite } from '#wire';
import { deviceServiceContract } from '../../wire/device-service.contract.ts';
import { createMemoryDevice } from './memory-device.ts';

deviceServiceContract('the memory twin', async () => ({
  device: createMemoryDevice(),
  close: async () => {},
}));

const key: RowKey = { table: 't', partition: 'p', sort: 's', hash: 1 };
const write: RowWrite = {
  key,
  version: { timeUs: 1, coordinator: 1 },
  deleted: false,
  meta: Buffer.from('m'),
  bytes: 1,
  body: Buffer.from('b'),
};

test('a damaged row is corrupt, not missing, until the same version is accepted again', async () => {
  const device = createMemoryDevice();
  await device.acceptRow(write);
  expect(device.damageRow(key)).toBe(true);
  await expect(device.readRow(key, { body: false })).rejects.toMatchObject({ kind: 'corrupt' });
  expect((await device.status()).quarantined).toBe(1);
  await device.acceptRow(write);
  expect(await device.readRow(key, { body: true })).toMatchObject({ body: write.body });
  expect((await device.status()).quarantined).toBe(0);
});

test('a full device refuses rows but takes tombstones', async () => {
  const device = createMemoryDevice();
  await device.acceptRow(write);
  device.setState('full');
  await expect(
    device.acceptRow({ ...write, version: { timeUs: 2, coordinator: 1 } }),
  ).rejects.toMatchObject({ kind: 'busy', code: 'device-full' });
  const empty = Buffer.alloc(0);
  const tombstone = { deleted: true, meta: empty, body: empty, bytes: 0 };
  const version = { timeUs: 3, coordinator: 1 };
  expect(await device.acceptRow({ ...write, ...tombstone, version })).toMatchObject({
    outcome: 'ok',
  });
});
