/**
 * A device's answers to surveys: read from the index in pages, so that whatever their length they hold up nobody.
 * Digests are sums over what the index keeps per partition key, so they cost a read of one entry per partition key and blob.
 */
import { afterPrefix, type Gate } from '#common';
import {
  emptySurvey,
  type PartitionName,
  type Quarantined,
  type SurveyedPartition,
  type SurveyedVersion,
  type SurveyReply,
  type SurveyRequest,
} from '#wire';
import { aggregateOf } from '../digest.ts';
import type { IndexEntry, IndexStore } from '../index/index-store.ts';
import {
  aggregateKey,
  blobKeyOf,
  fenceKey,
  hashFloor,
  nameOfAggregate,
  partitionPrefix,
  quarantineKey,
  rowKeyOf,
} from '../index/keys.ts';
import { bucketOf, DigestTable, firstHashOf, shareOf } from '../survey.ts';
import { isLostText } from './blob-state.ts';
import type { Forgetting } from './forgetting.ts';
import { decodeSums } from './registers.ts';
import { RowEntries, sumOfKey } from './row-entry.ts';
import type { Scrub } from './scrub.ts';

type Asked<What extends SurveyRequest['what']> = Extract<SurveyRequest, { what: What }>;

export interface SurveyParts {
  readonly index: IndexStore;
  readonly scans: Gate;
  readonly scrub: Scrub;
  readonly forgetting: Forgetting;
  readonly onIndexDamage: () => void;
  /** The device answers readers from now on. */
  readonly refilled: () => Promise<void>;
}

interface Range {
  readonly from: string;
  readonly afterFrom?: boolean;
  readonly until: string;
}

const pageEntries = 2000;

export class Surveys {
  private readonly parts: SurveyParts;

  constructor(parts: SurveyParts) {
    this.parts = parts;
  }

  async answer(request: SurveyRequest): Promise<SurveyReply> {
    switch (request.what) {
      case 'digests':
        return { ...emptySurvey, digests: await this.digests(request) };
      case 'partitions':
        return this.partitions(request);
      case 'versions':
        return this.versions(request);
      case 'quarantined':
        return this.quarantined(request);
      case 'fences':
        return this.fences(request);
      case 'scrub':
        return this.parts.scrub.step(request.after, request.bytesMax);
      case 'refilled':
        await this.parts.refilled();
        return emptySurvey;
      case 'forget':
        return { ...emptySurvey, records: await this.parts.forgetting.forget(request.rows) };
    }
  }

  private async digests(request: Asked<'digests'>): Promise<Buffer> {
    const { power, first, count, within } = request;
    const table = new DigestTable(first, count, within === undefined ? 2 : 1);
    if (within !== undefined) {
      await this.eachVersion(within, undefined, ({ sort, version }) => {
        table.addRow(bucketOf(sort, power), sort, version);
        return true;
      });
      return table.bytes;
    }
    const from = firstHashOf(first, power);
    const until = firstHashOf(first + count, power);
    await this.each({ from: `ar${hashFloor(from)}`, until: `ar${hashFloor(until)}` }, (entries) => {
      for (const [name, text] of entries)
        table.addRows(shareOf(nameOfAggregate(name).hash, power), decodeSums(text));
      return true;
    });
    await this.each({ from: `b${hashFloor(from)}`, until: `b${hashFloor(until)}` }, (entries) => {
      for (const [name, text] of entries) {
        const key = blobKeyOf(name);
        if (!isLostText(text)) table.addBlob(shareOf(key.hash, power), key);
      }
      return true;
    });
    return table.bytes;
  }

  private async partitions(request: Asked<'partitions'>): Promise<SurveyReply> {
    const { after, limit } = request;
    const partitions: SurveyedPartition[] = [];
    const last = after && aggregateKey(partitionPrefix(after.table, after.partition, after.hash));
    const until = `ar${hashFloor(request.until)}`;
    const from = last ?? `ar${hashFloor(request.from)}`;
    let next: string | undefined;
    await this.each({ from, afterFrom: last !== undefined, until }, (entries) => {
      for (const [name, text] of entries) {
        if (partitions.length === limit) return false;
        next = name;
        partitions.push({ ...nameOfAggregate(name), aggregate: aggregateOf(decodeSums(text)) });
      }
      return true;
    });
    return { ...emptySurvey, partitions, next: partitions.length === limit ? next : undefined };
  }

  private async versions(request: Asked<'versions'>): Promise<SurveyReply> {
    const { of, after, limit, power = 0, buckets } = request;
    const wanted = buckets === undefined ? undefined : new Set(buckets);
    const versions: SurveyedVersion[] = [];
    let bytes = 0;
    await this.eachVersion(of, after, (found, length) => {
      if (wanted === undefined || wanted.has(bucketOf(found.sort, power))) {
        versions.push(found);
        bytes += length;
      }
      return versions.length < limit;
    });
    const last = versions.length < limit ? undefined : versions.at(-1);
    return { ...emptySurvey, versions, bytes, next: last?.sort };
  }

  private async quarantined({ after, limit }: Asked<'quarantined'>): Promise<SurveyReply> {
    const from = quarantineKey(after ?? '');
    const range = { from, afterFrom: after !== undefined, until: 'r', limit };
    const { entries } = await this.parts.index.scan(range);
    const quarantined = entries.map(([name, what]): Quarantined => {
      const inner = name.slice(1);
      return what === 'row' ? { row: rowKeyOf(inner) } : { blob: blobKeyOf(inner) };
    });
    const next = entries.length === limit ? entries.at(-1)?.[0].slice(1) : undefined;
    return { ...emptySurvey, quarantined, next };
  }

  private async fences({ after, limit }: Asked<'fences'>): Promise<SurveyReply> {
    const from = fenceKey(after ?? '');
    const range = { from, afterFrom: after !== undefined, until: 'f', limit };
    const { entries } = await this.parts.index.scan(range);
    const fences = entries.map(([name, text]) => ({
      scope: name.slice(1),
      epoch: Number(text.split(' ')[0]),
    }));
    return {
      ...emptySurvey,
      fences,
      next: entries.length === limit ? fences.at(-1)?.scope : undefined,
    };
  }

  /** `take` ends it with false. */
  private async eachVersion(
    { table, partition, hash }: PartitionName,
    after: string | undefined,
    take: (found: SurveyedVersion, bytes: number) => boolean,
  ): Promise<void> {
    const prefix = partitionPrefix(table, partition, hash);
    const prefixSum = sumOfKey(prefix);
    const until = afterPrefix(prefix) ?? prefix;
    const range = { from: prefix + (after ?? ''), afterFrom: after !== undefined, until };
    await this.each(range, (entries) => {
      const values = new RowEntries(entries.map(([, text]) => text));
      return entries.every(([name], at) => {
        const sort = name.slice(prefix.length);
        const row = values.state(at, sumOfKey(sort, prefixSum));
        // An entry that is bad is as good as not there: the others' copies will be offered.
        if (row === undefined) this.parts.onIndexDamage();
        if (row === undefined) return true;
        const { version, deleted, metaLength, bodyLength } = row;
        const found = deleted ? ({ sort, version, deleted } as const) : { sort, version };
        return take(found, metaLength + bodyLength);
      });
    });
  }

  private async each(
    range: Range,
    take: (entries: readonly IndexEntry[]) => boolean,
  ): Promise<void> {
    let { from, afterFrom = false } = range;
    for (;;) {
      const page = await this.parts.scans.within(() =>
        this.parts.index.scan({ from, afterFrom, until: range.until, limit: pageEntries }),
      );
      const last = page.entries.at(-1);
      if (last === undefined || !take(page.entries) || page.entries.length < pageEntries) return;
      from = last[0];
      afterFrom = true;
    }
  }
}
