/** What surveys have in common on disk and in memory: digests per ring partition and per bucket, and their bounds. */
import {
  type BlobKey,
  digestBytes,
  digestsMax,
  forgottenMax,
  type SurveyRequest,
  surveyEntriesMax,
  type Version,
} from '#wire';
import { checkPartition, checkRowKey, checkVersion, sortBytesMax } from './checks.ts';
import { addLanes, type Lanes, lanesOfBlob, lanesOfRow } from './digest.ts';
import { badRequest } from './failures.ts';
import { finishMix, mixText } from './mixing.ts';

const powerMax = 24;
const scrubBytesMax = 64 * 1024 * 1024;
/** Of the id of a blob that is no fragment. */
const wholeIdDigits = 32;
const bucketSeed = 0x1b56c4e9;

/** Which of 2^power buckets a sort key falls into. `docs/formats/device-index.md` defines it. */
export function bucketOf(sort: string, power: number): number {
  return shareOf(finishMix(mixText(bucketSeed, sort), sort.length), power);
}

/** The upper `power` bits. */
export function shareOf(hash: number, power: number): number {
  return power === 0 ? 0 : hash >>> (32 - power);
}

export function firstHashOf(share: number, power: number): number {
  return share * 2 ** (32 - power);
}

/** Sums of lanes, one for each share, as they are sent. */
export class DigestTable {
  readonly bytes: Buffer;
  private readonly first: number;
  private readonly step: number;

  constructor(first: number, count: number, kinds: 1 | 2) {
    this.first = first;
    this.step = digestBytes * kinds;
    this.bytes = Buffer.alloc(count * this.step);
  }

  addRow(share: number, sort: string, version: Version): void {
    this.add(share, 0, lanesOfRow(sort, version));
  }

  addRows(share: number, sums: Lanes): void {
    this.add(share, 0, sums);
  }

  /** Fragments are left out: no two devices hold the same ones. */
  addBlob(share: number, key: BlobKey): void {
    if (key.id.length > wholeIdDigits) return;
    this.add(share, digestBytes, lanesOfBlob(key.id));
  }

  private add(share: number, skip: number, lanes: Lanes): void {
    const at = (share - this.first) * this.step + skip;
    if (at >= 0 && at + digestBytes <= this.bytes.length) addLanes(this.bytes, at, lanes);
  }
}

export function checkSurvey(request: SurveyRequest): void {
  if (request.what === 'digests') {
    checkWhole(request.power, powerMax, 'power');
    checkWhole(request.count, digestsMax, 'count');
    checkWhole(request.first, 2 ** request.power - request.count, 'first');
    if (request.within !== undefined) checkName(request.within);
    return;
  }
  if (request.what === 'refilled') return;
  if (request.what === 'forget') {
    checkWhole(request.rows.length, forgottenMax, 'rows');
    for (const { key, version } of request.rows) {
      checkRowKey(key);
      checkVersion(version);
    }
    return;
  }
  if (request.what === 'scrub') checkWhole(request.bytesMax, scrubBytesMax, 'bytesMax');
  else checkWhole(request.limit, surveyEntriesMax, 'limit');
  if (request.what === 'partitions') {
    checkWhole(request.from, 2 ** 32, 'from');
    checkWhole(request.until, 2 ** 32, 'until');
    if (request.after !== undefined) checkName(request.after);
    return;
  }
  if (request.after !== undefined && request.after.length > 2 * sortBytesMax)
    throw badRequest('Too long', { name: 'after' });
  if (request.what !== 'versions') return;
  checkName(request.of);
  checkWhole(request.power ?? 0, powerMax, 'power');
  if ((request.buckets?.length ?? 0) > digestsMax) throw badRequest('Too many buckets', {});
}

function checkName(name: { table: string; partition: string; hash: number }): void {
  checkPartition(name.table, name.partition, name.hash);
}

function checkWhole(value: number, most: number, name: string): void {
  if (!Number.isInteger(value) || value < 0 || value > most)
    throw badRequest('Not a number a survey may have', { name, value });
}
