/**
 * VMware's VMDK, in one file: `monolithicSparse` and `streamOptimized`. The descriptor inside names extents; one that names another
 * file (flat, split, raw device) would make a tool open it, so every extent must be this file's own sparse one.
 */
import type { Checker } from './checker.ts';
import { checkedSize, type Inspection, type InspectionLimits, refuse } from './inspection.ts';
import { Regions } from './regions.ts';

export const vmdkMagic = 'KDMV';
export const vmdkText = '# Disk DescriptorFile';

const sector = 512;
const descriptorBytesMax = 64 * 1024;
const allowedTypes = ['monolithicSparse', 'streamOptimized'];

export function vmdkChecker(limits: InspectionLimits): Checker {
  const regions = new Regions();
  regions.want('head', 0, sector);
  let kept: Buffer | undefined;
  return {
    feed: (chunk) => {
      // The descriptor follows the header closely: what has passed of the first chunk still holds its start.
      kept ??= chunk;
      regions.feed(chunk);
      if (isText(regions.soFar('head')))
        throw refuse('vmdk', 'it is a description alone, and its extents are other files');
      const head = regions.find('head');
      if (head === undefined || regions.has('descriptor')) return;
      const { at, length } = descriptorOf(head);
      if (at < regions.position && kept.length < regions.position)
        throw refuse('vmdk', 'its descriptor is not where it may be');
      regions.want('descriptor', at, length, kept);
    },
    finish: (_totalBytes, tail) => {
      const head = regions.find('head');
      const descriptor = regions.find('descriptor');
      if (head === undefined || descriptor === undefined)
        throw refuse('vmdk', 'it ends before its descriptor');
      return checkDisk({ head, descriptor, tail }, limits);
    },
  };
}

const isText = (head: Buffer): boolean =>
  head.toString('latin1', 0, vmdkText.length).toLowerCase() === vmdkText.toLowerCase();

function descriptorOf(head: Buffer): { at: number; length: number } {
  const version = head.readUInt32LE(4);
  if (version < 1 || version > 3) throw refuse('vmdk', `version ${version} is not known`);
  const at = head.readBigUInt64LE(28) * BigInt(sector);
  const length = head.readBigUInt64LE(36) * BigInt(sector);
  if (at < BigInt(sector) || at > BigInt(descriptorBytesMax))
    throw refuse('vmdk', 'its descriptor is not where it may be');
  if (length === 0n || length > BigInt(descriptorBytesMax))
    throw refuse('vmdk', 'its descriptor has an impossible length');
  return { at: Number(at), length: Number(length) };
}

function checkDisk(
  parts: { readonly head: Buffer; readonly descriptor: Buffer; readonly tail: Buffer },
  limits: InspectionLimits,
): Inspection {
  const { head, descriptor, tail } = parts;
  const capacity = head.readBigUInt64LE(12) * BigInt(sector);
  const grains = head.readBigUInt64LE(56);
  const type = checkDescriptor(descriptor, capacity);
  // A stream's header does not know where its directory will be; the footer, before the end marker, does.
  if (grains === 0xffff_ffff_ffff_ffffn) checkStreamFooter(head, tail);
  return { format: 'vmdk', virtualBytes: checkedSize('vmdk', capacity, limits), detail: type };
}

function checkStreamFooter(head: Buffer, tail: Buffer): void {
  const footer = tail.subarray(-2 * sector, -sector);
  if (footer.length < sector || footer.toString('latin1', 0, 4) !== vmdkMagic)
    throw refuse('vmdk', 'its footer is missing: the file is cut off');
  // Up to the directory's place it repeats the header: one that differs would be read instead of what we checked.
  if (!footer.subarray(0, 56).equals(head.subarray(0, 56)))
    throw refuse('vmdk', 'its header and footer differ');
}

/** The descriptor is text: `key=value` lines, and extents `RW 131072 SPARSE "name.vmdk"`. */
function checkDescriptor(bytes: Buffer, capacity: bigint): string {
  const end = bytes.indexOf(0);
  const text = bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
  if (!/^# Disk DescriptorFile/i.test(text)) throw refuse('vmdk', 'its descriptor is damaged');
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const type = /^createType\s*=\s*"?([A-Za-z]{1,32})"?$/im.exec(lines.join('\n'))?.[1];
  const allowed = allowedTypes.find((known) => known.toLowerCase() === type?.toLowerCase());
  if (allowed === undefined)
    throw refuse('vmdk', `its kind ${type ?? 'none'} is not one of ${allowedTypes.join(', ')}`);
  if (lines.some((line) => /^parentFileNameHint\s*=/i.test(line)))
    throw refuse('vmdk', 'it names a parent image');
  const parent = lines.find((line) => /^parentCID\s*=/i.test(line));
  if (parent !== undefined && !/=\s*ffffffff$/i.test(parent))
    throw refuse('vmdk', 'it needs another file as its parent');
  checkExtents(lines, capacity);
  return allowed;
}

function checkExtents(lines: readonly string[], capacity: bigint): void {
  const extents = lines.filter((line) => /^(RW|RDONLY|NOACCESS)\b/i.test(line));
  const [extent, another] = extents;
  if (extent === undefined || another !== undefined)
    throw refuse('vmdk', `it has ${extents.length} extents instead of one`);
  const match = /^RW\s+(\d{1,18})\s+SPARSE\s+"([^"]{1,255})"$/i.exec(extent);
  if (match === null) throw refuse('vmdk', 'its extent is in another file');
  // Tools take the name for a path; a name of this very file has no folders.
  if (/[/\\:]|^\.\.?$/.test(match[2] ?? '')) throw refuse('vmdk', 'its extent is in another file');
  if (BigInt(match[1] ?? 0) * BigInt(sector) !== capacity)
    throw refuse('vmdk', 'its extent has another size than its header');
}
