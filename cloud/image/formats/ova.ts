/**
 * OVA: a tar of an OVF description, its manifest, and the disks it names. Read as it comes, nothing is unpacked.
 * Refused: names that leave the folder, links and devices, members the description does not name, compressed disks,
 * more members or larger descriptions than anybody needs.
 */
import type { Checker } from './checker.ts';
import { fieldText, type Inspection, type InspectionLimits, refuse } from './inspection.ts';
import { type OvfDisk, readOvf } from './ovf.ts';

const block = 512;
const membersMax = 64;
const descriptionBytesMax = 1024 * 1024;

export interface OvaMember {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}

/** The members of a tar in order, from its headers as they pass. */
export class OvaChecker implements Checker {
  readonly members: OvaMember[] = [];
  private readonly limits: InspectionLimits;
  private header = Buffer.alloc(block);
  private headerFilled = 0;
  private skip = 0;
  private at = 0;
  private ended = false;
  private description: { bytes: Buffer; filled: number } | undefined;

  constructor(limits: InspectionLimits) {
    this.limits = limits;
  }

  feed(chunk: Buffer): void {
    for (let from = 0; from < chunk.length; ) {
      if (this.ended) {
        this.at += chunk.length - from;
        return;
      }
      const taken = this.skip > 0 ? this.pass(chunk, from) : this.gather(chunk, from);
      from += taken;
      this.at += taken;
      if (this.headerFilled === block) this.member();
    }
  }

  private pass(chunk: Buffer, from: number): number {
    const count = Math.min(this.skip, chunk.length - from);
    const open = this.description;
    if (open !== undefined && open.filled < open.bytes.length)
      open.filled += chunk.copy(open.bytes, open.filled, from, from + count);
    this.skip -= count;
    return count;
  }

  private gather(chunk: Buffer, from: number): number {
    const count = chunk.copy(
      this.header,
      this.headerFilled,
      from,
      from + block - this.headerFilled,
    );
    this.headerFilled += count;
    return count;
  }

  private member(): void {
    this.headerFilled = 0;
    if (this.header.every((byte) => byte === 0)) {
      this.ended = true;
      return;
    }
    const { name, bytes } = parseHeader(this.header);
    if (this.members.some((member) => member.name === name))
      throw refuse('ova', `it has two members called ${name}`);
    if (this.members.length === 0) {
      if (!name.toLowerCase().endsWith('.ovf'))
        throw refuse('ova', 'its first member is no OVF description');
      if (bytes > descriptionBytesMax) throw refuse('ova', 'its description is too large');
      this.description = { bytes: Buffer.alloc(bytes), filled: 0 };
    }
    this.members.push({ name, offset: this.at, bytes });
    if (this.members.length > membersMax) throw refuse('ova', 'it has too many members');
    this.skip = Math.ceil(bytes / block) * block;
  }

  finish(totalBytes: number): Inspection {
    if (this.description === undefined || this.skip > 0 || !this.ended)
      throw refuse('ova', 'it is cut off');
    const disks = readOvf(this.description.bytes, 'ova', this.limits);
    for (const disk of disks)
      if (!this.members.some(({ name }) => name === disk.file))
        throw refuse('ova', `its description names ${disk.file}, which is not in it`);
    for (const { name } of this.members.slice(1)) this.checkNamed(name, disks);
    const [disk, another] = disks;
    if (disk === undefined) throw refuse('ova', 'its description names no disk');
    if (another !== undefined) throw refuse('ova', 'it has more than one disk');
    if (this.at > totalBytes) throw refuse('ova', 'it is cut off');
    return { format: 'ova', virtualBytes: disk.virtualBytes, detail: disk.file };
  }

  private checkNamed(name: string, disks: readonly OvfDisk[]): void {
    if (disks.some(({ file }) => file === name)) return;
    if (/\.(mf|cert|nvram|iso|xml)$/i.test(name)) return;
    throw refuse('ova', `its description does not name its member ${name}`);
  }
}

function parseHeader(header: Buffer): { name: string; bytes: number } {
  let sum = 0;
  for (let at = 0; at < block; at++) sum += at >= 148 && at < 156 ? 0x20 : (header[at] ?? 0);
  if (octal(header.subarray(148, 156)) !== sum) throw refuse('ova', 'a tar header is damaged');
  const type = String.fromCharCode(header[156] ?? 0);
  if (type !== '0' && type !== '\0')
    throw refuse('ova', 'it has a member that is no ordinary file');
  if (header.toString('latin1', 257, 262) === 'ustar' && header[345] !== 0)
    throw refuse('ova', 'it has a member in a folder');
  const name = fieldText(header.subarray(0, 100));
  if (!/^[A-Za-z0-9_][A-Za-z0-9_. ()+-]{0,99}$/.test(name))
    throw refuse('ova', 'it has a member whose name is not allowed');
  return { name, bytes: sizeOf(header.subarray(124, 136)) };
}

/** Octal text, or GNU's binary form for more than 8 GiB. */
function sizeOf(field: Buffer): number {
  if (((field[0] ?? 0) & 0x80) === 0) return octal(field);
  if (field.readUInt32BE(0) !== 0x8000_0000) throw refuse('ova', 'a member has an impossible size');
  const bytes = field.readBigUInt64BE(4);
  if (bytes > 1n << 50n) throw refuse('ova', 'a member has an impossible size');
  return Number(bytes);
}

function octal(field: Buffer): number {
  const text = fieldText(field).trim();
  if (!/^[0-7]{1,12}$/.test(text)) throw refuse('ova', 'a tar header is damaged');
  return Number.parseInt(text, 8);
}
