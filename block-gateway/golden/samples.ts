/** One sample of each stored format, always the same. */
import { seededRandom } from '#common';
import { encodeCheckpoint } from '../volume/checkpoint-format.ts';
import { dataEntry, EntryList, zeroEntry } from '../volume/entries.ts';
import { ExtentMap } from '../volume/extent-map.ts';
import { encodeHead, type VolumeHead } from '../volume/head.ts';
import { encodeBatchHeader } from '../volume/log-format.ts';
import { encodeLines, encodeSegmentHeader } from '../volume/segment-format.ts';

export const volumeId = '6f1c2a52-7d0e-4a57-9a3b-0c5d1e2f3a4b';
export const data = seededRandom(42).bytes(70_144);
export const identity = { volumeId, epoch: 3, serial: 2 };

export const head: VolumeHead = {
  id: volumeId,
  name: 'boot disk',
  project: 'p1',
  sizeBytes: 2 ** 41,
  createdUs: 1_700_000_000_000_000,
  state: 'ready',
  durability: 'local',
  epoch: 5,
  gateway: 'gateway-1',
  checkpoint: { epoch: 3, serial: 2, parts: 1, bytes: 268, next: 8 },
  retired: { epoch: 3, serial: 1, parts: 1, bytes: 100, next: 4 },
  tail: [
    { epoch: 3, first: 8, end: 11 },
    { epoch: 5, first: 11 },
  ],
};

export function entries(): EntryList {
  const list = new EntryList();
  list.add(8, 9, dataEntry);
  list.add(2 ** 33, 128, dataEntry);
  list.add(16, 4096, zeroEntry);
  return list;
}

export function segment(): Buffer {
  const header = encodeSegmentHeader({
    volumeId,
    number: 9,
    epoch: 3,
    dataBytes: data.length,
    previous: { entries: 7, dataBytes: 4096 },
    entries: entries(),
  });
  return Buffer.concat([header, ...encodeLines(data, 9)]);
}

export function log(): Buffer {
  const list = entries();
  const shared = { volumeId, number: 9, epoch: 3, entries: list };
  const previous = { entries: 7, dataBytes: 4096 };
  const first = data.subarray(0, 9 * 512);
  const second = data.subarray(9 * 512);
  const one = { ...shared, previous, index: 0, from: 0, until: 1, dataOffset: 0, data: first };
  const two = {
    ...shared,
    previous,
    index: 1,
    from: 1,
    until: 3,
    dataOffset: first.length,
    data: second,
  };
  const gap = Buffer.alloc(8192 - first.length);
  return Buffer.concat([encodeBatchHeader(one), first, gap, encodeBatchHeader(two), second]);
}

export function checkpoint(): Buffer {
  const map = new ExtentMap(() => {});
  map.put(8, 9, 0, 0);
  map.put(2 ** 33, 128, 1, 9);
  const segments = [
    { slot: 0, number: 4, epoch: 2, blobId: '00112233445566778899aabbccddeeff' },
    { slot: 1, number: 7, epoch: 3, blobId: 'ffeeddccbbaa99887766554433221100' },
  ].map((row) => ({ ...row, headerBytes: 4096, dataBytes: 131_072 }));
  const [part = []] = encodeCheckpoint(identity, { segments, map: map.snapshot() });
  return Buffer.concat(part);
}

export function headRow(): Buffer {
  return encodeHead(head);
}
