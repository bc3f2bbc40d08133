/**
 * Tells what a stream is by its content, checks it as it passes, and says at the end how large a disk it is. Nothing of
 * it is believed before: a name or a declared format plays no part.
 *
 *  1. The first 34 KiB are held back until they are there, or the stream ends. Every format that could be is looked for;
 *     two at once are refused, since another program might take the file for the other one.
 *  2. The format's checker sees every byte from then on, keeping only the regions it asked for.
 *  3. At the end it is given the last bytes, where some formats keep what counts.
 */
import type { Checker } from './checker.ts';
import {
  type ContentFormat,
  type Inspection,
  type InspectionLimits,
  refuse,
} from './inspection.ts';
import { descriptorAt, isoChecker, isoMagic } from './iso.ts';
import { OvaChecker } from './ova.ts';
import { inspectOvf } from './ovf.ts';
import { qcow2Checker, qcow2Magic } from './qcow2.ts';
import { vdiChecker, vdiSignature } from './vdi.ts';
import { fixedVhd, vhdChecker, vhdCookie } from './vhd.ts';
import { vhdxChecker, vhdxSignature } from './vhdx.ts';
import { vmdkChecker, vmdkMagic, vmdkText } from './vmdk.ts';

const headBytes = descriptorAt + 2048;
const tailBytes = 2048;
const ovfBytesMax = 1024 * 1024;

export class ImageInspector {
  private readonly limits: InspectionLimits;
  private head: Buffer[] = [];
  private headLength = 0;
  private checker: Checker | undefined;
  private tail = Buffer.alloc(0);
  private total = 0;

  constructor(limits: InspectionLimits) {
    this.limits = limits;
  }

  /** Throws `invalid` as soon as the file can be refused. What is kept is a copy: the chunk's memory may be gone once it is stored. */
  feed(chunk: Buffer): void {
    this.total += chunk.length;
    this.keepTail(chunk);
    if (this.checker !== undefined) {
      this.checker.feed(chunk);
      return;
    }
    this.head.push(Buffer.from(chunk));
    this.headLength += chunk.length;
    if (this.headLength >= headBytes) this.choose();
  }

  finish(): Inspection {
    if (this.checker === undefined) this.choose();
    const checker = this.checker ?? rawChecker(this.limits);
    return checker.finish(this.total, this.tail);
  }

  private choose(): void {
    const head = Buffer.concat(this.head);
    this.head = [];
    const [format, another] = formatsOf(head);
    if (another !== undefined)
      throw refuse('file', `it could be ${format} or ${another}: that is no accident`);
    this.checker = checkerOf(format, this.limits);
    this.checker.feed(head);
  }

  private keepTail(chunk: Buffer): void {
    this.tail =
      chunk.length >= tailBytes
        ? Buffer.from(chunk.subarray(-tailBytes))
        : Buffer.concat([this.tail, chunk]).subarray(-tailBytes);
  }
}

/** Formats whose signs are in the head. A fixed VHD has none there; see `rawChecker`. */
export function formatsOf(head: Buffer): ContentFormat[] {
  const starts = (text: string, at = 0) => head.toString('latin1', at, at + text.length) === text;
  const word = (at: number) => (head.length >= at + 4 ? head.readUInt32BE(at) : 0);
  const found: ContentFormat[] = [];
  if (word(0) === qcow2Magic) found.push('qcow2');
  if (
    starts(vmdkMagic) ||
    head.toString('latin1', 0, vmdkText.length).toLowerCase() === vmdkText.toLowerCase()
  )
    found.push('vmdk');
  if (starts(vhdxSignature)) found.push('vhdx');
  if (starts(vhdCookie)) found.push('vhd');
  if (head.length >= 0x44 && head.readUInt32LE(0x40) === vdiSignature) found.push('vdi');
  if (starts('LUKS\xba\xbe')) found.push('luks');
  if (starts(isoMagic, descriptorAt + 1)) found.push('iso');
  if (isOva(head)) found.push('ova');
  else if (
    /^\uFEFF?\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(\w+:)?Envelope[\s>]/s.test(
      head.toString('utf8', 0, 4096),
    )
  )
    found.push('ovf');
  // QEMU's other formats may name files too; nobody stores them as images.
  if (starts('QED\0')) throw refuse('file', 'QED images are not taken');
  return found;
}

/** A tar whose first member is called like an OVF description; other tars are bytes like any others. */
function isOva(head: Buffer): boolean {
  if (head.toString('latin1', 257, 262) !== 'ustar') return false;
  const end = head.indexOf(0);
  return head
    .toString('latin1', 0, Math.min(end < 0 ? 100 : end, 100))
    .toLowerCase()
    .endsWith('.ovf');
}

function checkerOf(format: ContentFormat | undefined, limits: InspectionLimits): Checker {
  switch (format) {
    case 'qcow2':
      return qcow2Checker(limits);
    case 'vmdk':
      return vmdkChecker(limits);
    case 'vhdx':
      return vhdxChecker(limits);
    case 'vhd':
      return vhdChecker(limits);
    case 'vdi':
      return vdiChecker(limits);
    case 'iso':
      return isoChecker(limits);
    case 'ova':
      return new OvaChecker(limits);
    case 'ovf':
      return ovfChecker(limits);
    case 'luks':
      throw refuse('luks', 'encrypted images are not taken');
    default:
      return rawChecker(limits);
  }
}

function ovfChecker(limits: InspectionLimits): Checker {
  const kept: Buffer[] = [];
  let length = 0;
  return {
    feed: (chunk) => {
      length += chunk.length;
      if (length > ovfBytesMax) throw refuse('ovf', 'its description is too large');
      kept.push(Buffer.from(chunk));
    },
    finish: () => inspectOvf(Buffer.concat(kept), limits),
  };
}

function rawChecker(limits: InspectionLimits): Checker {
  return {
    feed: () => {},
    finish: (totalBytes, tail) => {
      const vhd = fixedVhd(tail, totalBytes, limits);
      if (vhd !== undefined) return vhd;
      if (totalBytes > limits.virtualBytesMax) throw refuse('raw', 'it is too large');
      return { format: 'raw', virtualBytes: totalBytes };
    },
  };
}
