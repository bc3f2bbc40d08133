/** Hyper-V's VHDX (MS-VHDX): a region table at 192 KiB says where the metadata lie, and they say the size. */
import type { Checker } from './checker.ts';
import { checkedSize, type InspectionLimits, refuse } from './inspection.ts';
import { Regions } from './regions.ts';

export const vhdxSignature = 'vhdxfile';
const regionTableAt = 192 * 1024;
const tableBytes = 64 * 1024;
const metadataRegion = '06a27c8b90479a4bb8fe575f050f886e';
const sizeItem = '2442a52f1bcd7648b2115dbed83bf4b8';
const fileParameters = '3767a1ca36fa434db3b633f0aa44e76b';
const parentLocator = '2d5fd3a80bb34d45abf7d3d84834ab0c';

export function vhdxChecker(limits: InspectionLimits): Checker {
  const regions = new Regions();
  regions.want('regions', regionTableAt, tableBytes);
  return {
    feed: (chunk) => {
      regions.feed(chunk);
      const table = regions.find('regions');
      if (table === undefined || regions.has('metadata')) return;
      const at = metadataAt(table);
      // Behind us already: a layout that nobody writes, and that cannot be read as it comes.
      if (at < regions.position) throw refuse('vhdx', 'its metadata are not where they may be');
      // The table, and behind it the items it points to.
      regions.want('metadata', at, tableBytes * 2);
    },
    finish: () => {
      const metadata = regions.find('metadata');
      if (metadata === undefined) throw refuse('vhdx', 'it ends before its metadata');
      return { format: 'vhdx', virtualBytes: checkMetadata(metadata, limits) };
    },
  };
}

const guid = (bytes: Buffer, at: number) => bytes.toString('hex', at, at + 16);

function metadataAt(table: Buffer): number {
  if (table.toString('latin1', 0, 4) !== 'regi') throw refuse('vhdx', 'it has no region table');
  const count = table.readUInt32LE(8);
  if (count > 2047) throw refuse('vhdx', 'its region table is too long');
  for (let entry = 0; entry < count; entry++) {
    const at = 16 + entry * 32;
    if (guid(table, at) !== metadataRegion) continue;
    const offset = table.readBigUInt64LE(at + 16);
    if (offset < 1024n * 1024n || offset > 1n << 40n)
      throw refuse('vhdx', 'its metadata are not where they may be');
    return Number(offset);
  }
  throw refuse('vhdx', 'it has no metadata');
}

function checkMetadata(metadata: Buffer, limits: InspectionLimits): number {
  if (metadata.toString('latin1', 0, 8) !== 'metadata')
    throw refuse('vhdx', 'its metadata are damaged');
  const count = metadata.readUInt16LE(10);
  if (count > 2047) throw refuse('vhdx', 'it has too many metadata');
  let size: bigint | undefined;
  for (let entry = 0; entry < count; entry++) {
    const at = 32 + entry * 32;
    const item = guid(metadata, at);
    const offset = metadata.readUInt32LE(at + 16);
    if (item === parentLocator) throw refuse('vhdx', 'it names a parent image');
    if (item !== sizeItem && item !== fileParameters) continue;
    if (offset + 8 > metadata.length) throw refuse('vhdx', 'its metadata point too far');
    if (item === sizeItem) size = metadata.readBigUInt64LE(offset);
    else if ((metadata.readUInt32LE(offset + 4) & 2) !== 0)
      throw refuse('vhdx', 'it needs another file as its parent');
  }
  if (size === undefined) throw refuse('vhdx', 'it does not say its size');
  return checkedSize('vhdx', size, limits);
}
