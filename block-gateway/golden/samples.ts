/** One sample of each stored format, always the same. */
import { seededRandom } from '#common';
import { encodeCheckpoint } from '../volume/checkpoint-format.ts';
import { dataEntry, EntryList, movedEntry, timeEntry, zeroEntry } from '../volume/entries.ts';
import { ExtentMap } from '../volume/extent-map.ts';
import { encodeHead, type VolumeHead } from '../volume/head.ts';
import { LineCipher } from '../volume/line-cipher.ts';
import { encodeBatchHeader } from '../volume/log-format.ts';
import type { Pin } from '../volume/pin-rows.ts';
import { encodeLines, encodeSegmentHeader } from '../volume/segment-format.ts';
import type { BackupObject } from '../volumes/backup-format.ts';

export const volumeId = '6f1c2a52-7d0e-4a57-9a3b-0c5d1e2f3a4b';
export const otherId = '11111111-2222-4333-8444-555555555555';
export const cipher = new LineCipher(seededRandom(7).bytes(64));
export const data = seededRandom(42).bytes(70_144);
export const identity = { volumeId, epoch: 3, serial: 2 };

/** What version 1 could say. */
export const oldHead: VolumeHead = {
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
  retired: [{ epoch: 3, serial: 1, parts: 1, bytes: 100, next: 4 }],
  tail: [
    { epoch: 3, first: 8, end: 11 },
    { epoch: 5, first: 11 },
  ],
};

export const head: VolumeHead = {
  ...oldHead,
  durability: 'replicated',
  qos: { iops: 500, bytesPerSPerGib: 1000.5, burstS: 3 },
  encryption: {
    keyId: 'k1',
    cipher: 'aes-256-xts',
    keys: { [volumeId]: 'AAAA', [otherId]: 'BBBB' },
  },
  parent: { volume: otherId, pin: 'p1' },
  hold: 'h1',
  retentionS: 86_400,
  sinceUs: 1_700_000_000_500_000,
  tail: [
    { volume: otherId, epoch: 9, first: 8, end: 10, entries: 12 },
    { epoch: 5, first: 11 },
  ],
  history: [
    {
      atUs: 1_700_000_000_000_000,
      checkpoint: { volume: otherId, epoch: 7, serial: 1, parts: 1, bytes: 99, next: 3 },
      tail: [{ epoch: 3, first: 3, end: 8 }],
    },
  ],
  abandoned: [{ tail: [{ epoch: 4, first: 1, end: 11 }] }],
};

export const pin: Pin = {
  id: 'snap',
  volume: volumeId,
  name: 'before the upgrade',
  state: 'live',
  sizeBytes: 2 ** 41,
  createdUs: 1_700_000_000_000_001,
  border: 11,
  checkpoint: { epoch: 3, serial: 2, parts: 1, bytes: 268, next: 8 },
  tail: [{ epoch: 3, first: 8, end: 11, entries: 4 }],
};

export function entries(): EntryList {
  const list = new EntryList();
  list.add(8, 9, dataEntry);
  list.add(2 ** 33, 128, movedEntry(77));
  list.add(16, 4096, zeroEntry);
  list.add(1_700_000_000_123, 1, timeEntry);
  list.add(4096, 8, zeroEntry);
  return list;
}

export function segment(sealedWith?: LineCipher): Buffer {
  const header = encodeSegmentHeader({
    volumeId,
    number: 9,
    epoch: 3,
    dataBytes: data.length,
    previous: { entries: 7, dataBytes: 4096 },
    together: 3,
    entries: entries(),
  });
  return Buffer.concat([header, ...encodeLines(data, { number: 9, epoch: 3 }, sealedWith)]);
}

export function log(): Buffer {
  const list = entries();
  const shared = { volumeId, number: 9, epoch: 3, entries: list, together: 3 };
  const previous = { entries: 7, dataBytes: 4096 };
  const first = data.subarray(0, 9 * 512);
  const second = data.subarray(9 * 512);
  const one = { ...shared, previous, index: 0, from: 0, until: 1, dataOffset: 0, data: first };
  const two = {
    ...shared,
    previous,
    index: 1,
    from: 1,
    until: 5,
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
  ].map((row) => ({ ...row, headerBytes: 4096, dataBytes: 131_072, death: 0 }));
  const [first, second] = segments;
  if (first === undefined || second === undefined) throw new Error('two rows');
  const rows = [
    first,
    { ...second, owner: otherId },
    { ...first, slot: 2, number: 5, death: 6, blobId: '00112233445566778899aabbccddee00' },
    { ...first, slot: 3, raw: true, headerBytes: 512, blobId: '0a112233445566778899aabbccddee00' },
  ];
  const [part = []] = encodeCheckpoint(identity, { segments: rows, map: map.snapshot() });
  return Buffer.concat(part);
}

export function headRow(): Buffer {
  return encodeHead(head);
}

export function backup(): BackupObject {
  return { volume: volumeId, number: 3, entries: entries(), data };
}
