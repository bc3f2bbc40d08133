/** Virtual PC's VHD: a footer of 512 bytes at the end, and of dynamic disks a copy of it at the start. */
import type { Checker } from './checker.ts';
import { checkedSize, type Inspection, type InspectionLimits, refuse } from './inspection.ts';
import { Regions } from './regions.ts';

export const vhdCookie = 'conectix';
const footerBytes = 512;
const fixed = 2;
const dynamic = 3;

export const isVhdFooter = (footer: Buffer): boolean =>
  footer.length >= footerBytes && footer.toString('latin1', 0, 8) === vhdCookie;

/** For disks that begin with the footer's copy. */
export function vhdChecker(limits: InspectionLimits): Checker {
  const regions = new Regions();
  regions.want('head', 0, footerBytes + 1024);
  return {
    feed: (chunk) => regions.feed(chunk),
    finish: (_totalBytes, tail) => {
      const head = regions.find('head');
      if (head === undefined) throw refuse('vhd', 'it ends within its header');
      const footer = tail.subarray(-footerBytes);
      if (!isVhdFooter(footer)) throw refuse('vhd', 'its footer is missing: the file is cut off');
      const type = checkFooter(head);
      if (type !== dynamic) throw refuse('vhd', `disks of type ${type} need another file`);
      if (head.readBigUInt64BE(16) !== BigInt(footerBytes))
        throw refuse('vhd', 'its dynamic header is not where it should be');
      checkDynamic(head.subarray(footerBytes));
      if (!footer.subarray(0, 64).equals(head.subarray(0, 64)))
        throw refuse('vhd', 'its footer and the copy of it differ');
      return { format: 'vhd', virtualBytes: checkedSize('vhd', head.readBigUInt64BE(48), limits) };
    },
  };
}

function checkFooter(footer: Buffer): number {
  let sum = 0;
  for (let at = 0; at < footerBytes; at++) if (at < 64 || at >= 68) sum += footer[at] ?? 0;
  if (~sum >>> 0 !== footer.readUInt32BE(64)) throw refuse('vhd', 'its checksum is wrong');
  return footer.readUInt32BE(60);
}

function checkDynamic(header: Buffer): void {
  if (header.toString('latin1', 0, 8) !== 'cxsparse')
    throw refuse('vhd', 'its dynamic header is damaged');
  const parent = header.subarray(40, 56);
  const locators = header.subarray(576, 768);
  if (parent.some((byte) => byte !== 0) || locators.some((byte) => byte !== 0))
    throw refuse('vhd', 'it names a parent image');
}

/** For disks that are all content with the footer behind it: only the end tells them from raw ones. */
export function fixedVhd(
  tail: Buffer,
  totalBytes: number,
  limits: InspectionLimits,
): Inspection | undefined {
  const footer = tail.subarray(-footerBytes);
  if (!isVhdFooter(footer)) return undefined;
  if (checkFooter(footer) !== fixed) throw refuse('vhd', 'its header is missing');
  const virtualBytes = checkedSize('vhd', footer.readBigUInt64BE(48), limits);
  if (virtualBytes !== totalBytes - footerBytes)
    throw refuse('vhd', 'its size is not that of the file');
  return { format: 'vhd', virtualBytes };
}
