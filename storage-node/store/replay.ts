/** Turns a record that was found in the log into the change that it made, or into none when a newer one is known. */
import { compareVersions } from '#wire';
import { rowKeyText } from '../index/keys.ts';
import {
  flagDeleted,
  flagLost,
  flagMetaLost,
  type RecordHead,
  recordTypes,
} from '../log/record.ts';
import { type BlobState, decodeDescriptor } from './blob-state.ts';
import type { Effect } from './committer.ts';
import type { Fences } from './fences.ts';
import type { Holdings } from './holdings.ts';
import { ForgottenRecord, type NamedKey, type Register, type Registers } from './registers.ts';
import type { RowState } from './row-state.ts';

export interface ReplayParts {
  readonly registers: Registers;
  readonly holdings: Holdings;
  readonly fences: Fences;
}

export interface FoundRecord {
  readonly head: RecordHead;
  /** Undefined when its checksum does not hold. */
  readonly meta: Buffer | undefined;
  readonly bodyIsGood: boolean;
}

const nothing = Buffer.alloc(0);

export function effectOf(parts: ReplayParts, found: FoundRecord): Effect | undefined {
  const { head } = found;
  switch (head.type) {
    case recordTypes.accept:
      return acceptOf(parts.registers, found);
    case recordTypes.promise:
      return promiseOf(parts.registers, head);
    case recordTypes.blobInline:
    case recordTypes.blobFile:
      return blobOf(parts.holdings, found);
    case recordTypes.blobDelete:
      return parts.holdings.change(blobKeyOf(head), undefined, head.length);
    case recordTypes.fence:
      if (parts.fences.epochOf(head.partition) > head.bytes) return undefined;
      return parts.fences.change(head.partition, head.bytes);
    case recordTypes.rowForget:
      return forgetOf(parts.registers, head);
    default:
      return undefined;
  }
}

export function namedOf(head: RecordHead): NamedKey {
  const { table, partition, sort, hash } = head;
  const key = { table, partition, sort, hash };
  return { key, name: rowKeyText(key) };
}

export function blobKeyOf(head: RecordHead): { id: string; hash: number } {
  return { id: head.partition, hash: head.hash };
}

function acceptOf(registers: Registers, found: FoundRecord): Effect | undefined {
  const named = namedOf(found.head);
  const { row: current, promise } = registers.current(named);
  const row = rowStateOf(found);
  if (current !== undefined) {
    const order = compareVersions(row.version, current.version);
    // Of two copies of one version the later is the one that compaction or a repair left, unless it went bad.
    if (order < 0 || (order === 0 && row.lost && !current.lost)) return undefined;
  }
  const overtaken = promise !== undefined && compareVersions(row.version, promise.ballot) >= 0;
  return registers.change(named, { row, promise: overtaken ? undefined : promise }, 'row');
}

function rowStateOf(found: FoundRecord): RowState {
  const { head, meta, bodyIsGood } = found;
  const metaIsLost = meta === undefined || (head.flags & flagMetaLost) !== 0;
  return {
    version: head.version,
    deleted: (head.flags & flagDeleted) !== 0,
    bytes: head.bytes,
    metaLength: head.metaLength,
    metaCrc: head.metaCrc,
    bodyLength: head.bodyLength,
    bodyCrc: head.bodyCrc,
    headBytes: head.headBytes,
    lost: metaIsLost || !bodyIsGood || (head.flags & flagLost) !== 0,
    meta: metaIsLost ? undefined : Buffer.from(meta),
    body: undefined,
    file: 0,
    offset: 0,
  };
}

function forgetOf(registers: Registers, head: RecordHead): Effect {
  const named = namedOf(head);
  const { row, promise } = registers.current(named);
  const isOver = row !== undefined && compareVersions(row.version, head.version) <= 0;
  if (!isOver) return new ForgottenRecord(registers.parts.ledger, named.key);
  const kept = promise !== undefined && promise.ballot.timeUs > head.bytes ? promise : undefined;
  return registers.change(named, { row: undefined, promise: kept }, 'forget');
}

function promiseOf(registers: Registers, head: RecordHead): Effect | undefined {
  const named = namedOf(head);
  const current: Register = registers.current(named);
  const ballot = head.version;
  if (current.row !== undefined && compareVersions(ballot, current.row.version) <= 0)
    return undefined;
  if (current.promise !== undefined && compareVersions(ballot, current.promise.ballot) < 0)
    return undefined;
  const promise = { ballot, length: head.length, file: 0, offset: 0 };
  return registers.change(named, { row: current.row, promise }, 'promise');
}

function blobOf(holdings: Holdings, found: FoundRecord): Effect | undefined {
  const { head, meta, bodyIsGood } = found;
  const key = blobKeyOf(head);
  const described = meta === undefined ? undefined : decodeDescriptor(meta);
  const lost = described === undefined || !bodyIsGood || (head.flags & flagLost) !== 0;
  const current = holdings.current(key);
  if (lost && current !== undefined && !current.lost) return undefined;
  const state: BlobState = {
    length: described?.length ?? head.bodyLength,
    lost,
    slot: described?.slot ?? 0,
    recordLength: head.length,
    bodyAt: head.headBytes + head.metaLength,
    table: described?.table ?? nothing,
    file: 0,
    offset: 0,
  };
  return holdings.change(key, state, head.length);
}
