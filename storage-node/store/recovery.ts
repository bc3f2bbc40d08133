/**
 * Brings the index up to the log, from where the index ends (or from the beginning).
 *
 * 1. Every file but the last was synced whole before its successor existed: a record in it that fails its checksum
 *    has gone bad since, and the row or blob is marked corrupt.
 * 2. In the last file only the last group can be torn, since a group is written after the sync of the one before.
 *    The log ends where that group first fails; whatever fails before it has gone bad.
 * 3. Records before that end go through the same changes that wrote them, a thousand to an index batch.
 */
import type { Logger } from '#common';
import {
  checkLogHeader,
  type Found,
  type Log,
  type LogFile,
  type LogPosition,
  logHeaderBytes,
  walkLog,
} from '../log/log.ts';
import { matches } from '../log/record.ts';
import type { Replayed } from './committer.ts';
import { effectOf, type ReplayParts } from './replay.ts';

export interface RecoveryOptions {
  readonly log: Log;
  readonly parts: ReplayParts;
  readonly seed: number;
  readonly logger: Logger;
  readonly lastGroup: number;
  readonly apply: (
    replayed: readonly Replayed[],
    reached: LogPosition,
    group: number,
  ) => Promise<void>;
}

export interface Recovered {
  /** Where the last file's records end. */
  readonly end: number;
  readonly records: number;
}

type FoundEntry = Extract<Found, { kind: 'record' }>;

/** Meta and body of a found record, as far as their checksums hold. */
export function partsOf(found: FoundEntry): { meta: Buffer | undefined; body: Buffer | undefined } {
  const { head, bytes } = found;
  const bodyAt = head.headBytes + head.metaLength;
  const meta = bytes.subarray(head.headBytes, bodyAt);
  const body = bytes.subarray(bodyAt, bodyAt + head.bodyLength);
  const metaIsGood = meta.length === head.metaLength && matches(meta, head.metaCrc);
  const bodyIsGood = body.length === head.bodyLength && matches(body, head.bodyCrc);
  return { meta: metaIsGood ? meta : undefined, body: bodyIsGood ? body : undefined };
}

export async function recover(options: RecoveryOptions, from: LogPosition): Promise<Recovered> {
  const { log } = options;
  const numbers = log.numbers();
  const last = numbers.at(-1);
  let records = 0;
  let end = 0;
  let group = options.lastGroup;
  for (const number of numbers) {
    const file = log.find(number);
    if (file === undefined || number < from.file) continue;
    const start = number === from.file ? Math.max(from.offset, logHeaderBytes) : logHeaderBytes;
    if (await isBegun(file)) end = start;
    else end = 0;
    if (number !== last) end = file.size;
    else if (end > 0) end = await endOfLast(options, file, start, group);
    const replayed = await replayFile(options, file, { from: start, end });
    records += replayed.records;
    group = Math.max(group, replayed.lastGroup);
  }
  return { end, records };
}

async function isBegun(file: LogFile): Promise<boolean> {
  const header = Buffer.alloc(logHeaderBytes);
  const got = await file.file.read(header, 0);
  checkLogHeader(header.subarray(0, got), file.file.path);
  return got === logHeaderBytes && header.some((byte) => byte !== 0);
}

/** Rule 2: the offset at which the last group first fails, or the end of the last record. */
async function endOfLast(
  options: RecoveryOptions,
  file: LogFile,
  start: number,
  groupBefore: number,
): Promise<number> {
  let end = start;
  let group = groupBefore;
  let gapAt: number | undefined;
  /** First failure in the newest group seen so far. */
  let failedAt: number | undefined;
  for await (const found of walkLog(file.file, { from: start, end: file.size }, options.seed)) {
    if (found.kind === 'gap') {
      gapAt = found.offset;
      continue;
    }
    const { head, offset } = found;
    if (head.group > group) {
      failedAt = undefined;
      // What the gap swallowed is of this group only when this is not its first record.
      if (gapAt !== undefined && head.ordinal > 0) failedAt = gapAt;
      group = head.group;
    } else if (gapAt !== undefined) failedAt ??= gapAt;
    gapAt = undefined;
    const { meta, body } = partsOf(found);
    if (meta === undefined || body === undefined) failedAt ??= offset;
    end = Math.min(offset + head.length, file.size);
  }
  return failedAt ?? end;
}

const batchRecords = 1000;

async function replayFile(
  options: RecoveryOptions,
  file: LogFile,
  range: { readonly from: number; readonly end: number },
): Promise<{ records: number; lastGroup: number }> {
  let records = 0;
  let lastGroup = 0;
  let replayed: Replayed[] = [];
  for await (const found of walkLog(file.file, range, options.seed)) {
    if (found.kind === 'gap') {
      const facts = { file: file.number, offset: found.offset, bytes: found.length };
      options.logger.error(facts, 'a stretch of the log cannot be read');
      continue;
    }
    const { head, offset } = found;
    const { meta, body } = partsOf(found);
    const effect = effectOf(options.parts, { head, meta, bodyIsGood: body !== undefined });
    if (effect !== undefined) replayed.push({ effect, place: { file: file.number, offset } });
    records++;
    lastGroup = Math.max(lastGroup, head.group);
    if (replayed.length < batchRecords) continue;
    await options.apply(replayed, { file: file.number, offset: offset + head.length }, head.group);
    replayed = [];
  }
  if (records > 0)
    await options.apply(replayed, { file: file.number, offset: range.end }, lastGroup);
  return { records, lastGroup };
}
