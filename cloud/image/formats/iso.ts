/** ISO 9660: the primary volume descriptor at 32 KiB says how many blocks there are. */
import type { Checker } from './checker.ts';
import { type InspectionLimits, refuse } from './inspection.ts';
import { Regions } from './regions.ts';

export const descriptorAt = 32 * 1024;
export const isoMagic = 'CD001';

export function isoChecker(limits: InspectionLimits): Checker {
  const regions = new Regions();
  regions.want('descriptor', descriptorAt, 2048);
  return {
    feed: (chunk) => regions.feed(chunk),
    finish: (totalBytes) => {
      const descriptor = regions.find('descriptor');
      if (descriptor === undefined) throw refuse('iso', 'it ends within its descriptor');
      const blocks = descriptor.readUInt32LE(80);
      const blockBytes = descriptor.readUInt16LE(128);
      if (descriptor.readUInt32BE(84) !== blocks || blockBytes !== 2048)
        throw refuse('iso', 'its volume descriptor contradicts itself');
      if (blocks * blockBytes > totalBytes) throw refuse('iso', 'the file is cut off');
      if (totalBytes > limits.virtualBytesMax) throw refuse('iso', 'it is too large');
      return { format: 'iso', virtualBytes: totalBytes };
    },
  };
}
