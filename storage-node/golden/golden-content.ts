/** What the golden device holds. Never changed: a new version of a format adds a folder, not content. */
import { defaultsOf, seededRandom } from '#common';
import type { BlobKey, DeviceService, RowKey, RowWrite } from '#wire';
import { storageNodeSettings } from '../settings.ts';

export const goldenSettings = {
  ...defaultsOf(storageNodeSettings),
  logFileBytes: 64 * 1024,
  logAheadBytes: 0,
  ownFileBytesMin: 20_000,
  freeSlotsMax: 0,
};

const key = (sort: string): RowKey => ({
  table: 'objects',
  partition: 'päth',
  sort,
  hash: 0xfedcba98,
});

function rowOf(sort: string, timeUs: number, more: Partial<RowWrite> = {}): RowWrite {
  const meta = Buffer.from(`{"name":"${sort}"}`);
  const version = { timeUs, coordinator: 0x80000001 };
  return {
    key: key(sort),
    version,
    deleted: false,
    meta,
    bytes: 2 ** 40 + 5,
    body: Buffer.alloc(0),
    ...more,
  };
}

export const goldenRows: readonly RowWrite[] = [
  rowOf('plain', 1_700_000_000_000_001),
  rowOf('body', 1_700_000_000_000_002, { body: seededRandom(2).bytes(5000) }),
  rowOf('binary meta', 1_700_000_000_000_003, { meta: Buffer.from([0, 255, 128, 7]) }),
  rowOf('large meta', 1_700_000_000_000_004, { meta: seededRandom(4).bytes(5000) }),
  rowOf('𐀀 gone', 1_700_000_000_000_005, { deleted: true, meta: Buffer.alloc(0), bytes: 0 }),
];
export const goldenDigest = { partition: 'päth', hash: 0xfedcba98 };
export const goldenPromise = {
  key: key('plain'),
  ballot: { timeUs: 1_800_000_000_000_000, coordinator: 7 },
};
export const goldenFence = { scope: 'volume', epoch: 12 };
export const goldenBlobs: readonly { key: BlobKey; content: Buffer }[] = [
  { key: { id: '00112233445566778899aabbccddeeff', hash: 1 }, content: seededRandom(5).bytes(700) },
  {
    key: { id: 'ffeeddccbbaa99887766554433221100', hash: 2 },
    content: seededRandom(6).bytes(70_000),
  },
];
export const goldenDeleted: BlobKey = { id: '0'.repeat(32), hash: 3 };

export async function fillGolden(device: DeviceService): Promise<void> {
  for (const row of goldenRows) await device.acceptRow(row);
  await device.prepareRow(goldenPromise.key, goldenPromise.ballot);
  await device.raiseFence(goldenFence);
  for (const { key, content } of goldenBlobs) await device.putBlob(key, [content], {});
  await device.putBlob(goldenDeleted, [Buffer.from('gone')], {});
  await device.deleteBlob(goldenDeleted);
}
