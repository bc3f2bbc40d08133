/** The part of an object row that says which version of its name it is (docs/formats/object-row.md, row version 2). */
import type { Version } from '#wire';

/**
 * `object`: a version with bytes. `marker`: a deletion. `gravestone`: a version that was deleted for good. `absence`: the name has no
 * current version, and no marker says so; it is no version itself.
 */
export type VersionKind = 'object' | 'marker' | 'gravestone' | 'absence';

export interface RowVersion {
  /** 32 hex digits, smaller for newer: the sort key among the versions of a name, and the version's id. */
  readonly order: string;
  /** Written while versions were not kept: its id is `null`. */
  readonly isNull: boolean;
  readonly kind: VersionKind;
  /** Of an archived version: the version of the current row that it was copied from. */
  readonly copiedFrom?: Version;
  /** The order of the archived version that is called `null`, if there is one. */
  readonly nullAt?: string;
  /** Of a current version: it was made current again, so older ones may be newer than it. */
  readonly restored?: true;
}

export const versionBlockBytes = 1 + 16 + 12 + 16;

const present = 0x80;
const nullFlag = 0x01;
const restoredFlag = 0x08;
/** Not of the version: the object's owner is not its container's account, and lies in the tail. */
const ownerFlag = 0x10;
const kinds: readonly VersionKind[] = ['object', 'marker', 'gravestone', 'absence'];
const noOrder = '0'.repeat(32);

/** The id that clients know a version by. */
export function publicVersionId({ order, isNull }: RowVersion): string {
  return isNull ? 'null' : order;
}

export function writeVersionBlock(meta: Buffer, at: number, version: RowVersion | undefined): void {
  meta.fill(0, at, at + versionBlockBytes);
  if (version === undefined) return;
  const nulled = version.isNull ? nullFlag : 0;
  const restored = version.restored === true ? restoredFlag : 0;
  meta[at] = present | nulled | restored | (kinds.indexOf(version.kind) << 1);
  meta.write(version.order, at + 1, 16, 'hex');
  if (version.copiedFrom !== undefined) {
    meta.writeDoubleBE(version.copiedFrom.timeUs, at + 17);
    meta.writeUInt32BE(version.copiedFrom.coordinator, at + 25);
  }
  meta.write(version.nullAt ?? noOrder, at + 29, 16, 'hex');
}

export function setOwnerFlag(meta: Buffer, at: number): void {
  meta[at] = (meta[at] ?? 0) | ownerFlag;
}

export function hasOwnerFlag(meta: Buffer, at: number): boolean {
  return ((meta[at] ?? 0) & ownerFlag) !== 0;
}

export function readVersionBlock(meta: Buffer, at: number): RowVersion | undefined {
  const flags = meta[at] ?? 0;
  if ((flags & present) === 0) return undefined;
  const timeUs = meta.readDoubleBE(at + 17);
  const nullAt = meta.toString('hex', at + 29, at + 45);
  return {
    order: meta.toString('hex', at + 1, at + 17),
    isNull: (flags & nullFlag) !== 0,
    kind: kinds[(flags >> 1) & 3] ?? 'object',
    ...(timeUs === 0 ? {} : { copiedFrom: { timeUs, coordinator: meta.readUInt32BE(at + 25) } }),
    ...(nullAt === noOrder ? {} : { nullAt }),
    ...((flags & restoredFlag) === 0 ? {} : { restored: true }),
  };
}

// Counted down from here, so that newer sorts first: 52 bits of microseconds last until 2112.
const timeEndUs = 2 ** 52 - 1;
const timeDigits = 13;

/** `random` is 19 hex digits. */
export function orderOf(timeUs: number, random: string): string {
  return (timeEndUs - Math.floor(timeUs)).toString(16).padStart(timeDigits, '0') + random;
}

export function orderTimeUs(order: string): number {
  return timeEndUs - Number.parseInt(order.slice(0, timeDigits), 16);
}

export function isOrder(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text);
}
