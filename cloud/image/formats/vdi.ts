/** VirtualBox's VDI: one header, then the blocks. */
import type { Checker } from './checker.ts';
import { checkedSize, type InspectionLimits, refuse } from './inspection.ts';
import { Regions } from './regions.ts';

export const vdiSignature = 0xbeda107f;
const headBytes = 512;

export function vdiChecker(limits: InspectionLimits): Checker {
  const regions = new Regions();
  regions.want('head', 0, headBytes);
  return {
    feed: (chunk) => regions.feed(chunk),
    finish: (totalBytes) => {
      const head = regions.find('head');
      if (head === undefined) throw refuse('vdi', 'it ends within its header');
      if (head.readUInt32LE(0x44) !== 0x00010001) throw refuse('vdi', 'its version is not known');
      const type = head.readUInt32LE(0x4c);
      // 1 grows, 2 is fixed; 3 (undo) and 4 (differencing) need another file.
      if (type !== 1 && type !== 2) throw refuse('vdi', 'it needs another file as its parent');
      const parent = head.subarray(0x1a8, 0x1b8);
      if (parent.some((byte) => byte !== 0)) throw refuse('vdi', 'it names a parent image');
      const virtualBytes = checkedSize('vdi', head.readBigUInt64LE(0x170), limits);
      const blocks = head.readUInt32LE(0x180);
      const blockBytes = head.readUInt32LE(0x178);
      if (blockBytes !== 1024 * 1024 || blocks < Math.ceil(virtualBytes / blockBytes))
        throw refuse('vdi', 'its blocks do not cover its size');
      if (head.readUInt32LE(0x154) + blocks * 4 > totalBytes)
        throw refuse('vdi', 'its block map lies beyond the end of the file');
      return { format: 'vdi', virtualBytes };
    },
  };
}
