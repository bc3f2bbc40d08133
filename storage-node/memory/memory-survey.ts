/** The memory twin's answers to surveys. */
import { compareUtf8 } from '#common';
import {
  emptySurvey,
  forgottenScope,
  type Quarantined,
  type SurveyReply,
  type SurveyRequest,
} from '#wire';
import { decideForget } from '../register.ts';
import { bucketOf, DigestTable, shareOf } from '../survey.ts';
import type { MemoryBlobs } from './memory-blobs.ts';
import type { MemoryRows } from './memory-rows.ts';

type Asked<What extends SurveyRequest['what']> = Extract<SurveyRequest, { what: What }>;

export function surveyOf(
  rows: MemoryRows,
  blobs: MemoryBlobs,
  request: SurveyRequest,
): SurveyReply {
  switch (request.what) {
    case 'digests':
      return { ...emptySurvey, digests: digestsOf(rows, blobs, request) };
    case 'partitions':
      return partitionsOf(rows, request);
    case 'versions':
      return versionsOf(rows, request);
    case 'quarantined': {
      const all = quarantinedOf(rows, blobs);
      const from = Number(request.after ?? 0);
      const next = from + request.limit;
      const page = { ...emptySurvey, quarantined: all.slice(from, next) };
      return all.length > next ? { ...page, next: String(next) } : page;
    }
    case 'fences':
      return { ...emptySurvey, fences: blobs.listFences(request.after, request.limit) };
    // What goes bad in memory is known at once; and memory that starts empty has nothing to be refilled with.
    case 'scrub':
    case 'refilled':
      return emptySurvey;
    case 'forget':
      return { ...emptySurvey, records: forget(rows, blobs, request) };
  }
}

function forget(rows: MemoryRows, blobs: MemoryBlobs, request: Asked<'forget'>): number {
  let records = 0;
  for (const { key, version } of request.rows) {
    const register = rows.find(key);
    const { row } = register ?? {};
    if (register === undefined || row === undefined || register.corrupt) continue;
    const state = { accepted: row.version, promised: register.promised };
    const forgottenUs = decideForget(state, version, row.deleted);
    if (forgottenUs === undefined) continue;
    if (forgottenUs > 0) blobs.raiseFence(forgottenScope, forgottenUs);
    rows.forget(key, register);
    records += 1;
  }
  return records;
}

function digestsOf(rows: MemoryRows, blobs: MemoryBlobs, request: Asked<'digests'>): Buffer {
  const { power, first, count, within } = request;
  const table = new DigestTable(first, count, within === undefined ? 2 : 1);
  if (within !== undefined) {
    for (const { sort, version } of rows.versions(within.table, within.partition))
      table.addRow(bucketOf(sort, power), sort, version);
    return table.bytes;
  }
  for (const { hash, sums } of rows.names()) table.addRows(shareOf(hash, power), sums);
  for (const key of blobs.good()) table.addBlob(shareOf(key.hash, power), key);
  return table.bytes;
}

function partitionsOf(rows: MemoryRows, request: Asked<'partitions'>): SurveyReply {
  const { from, until, after, limit } = request;
  const orderOf = (name: { hash: number; table: string; partition: string }) =>
    `${name.hash.toString(16).padStart(8, '0')}${name.table}\0${name.partition.length.toString(16).padStart(4, '0')}${name.partition}`;
  const found = rows
    .names()
    .filter(({ hash }) => hash >= from && hash < until)
    .map((name) => ({ name, order: orderOf(name) }))
    .filter(({ order }) => after === undefined || compareUtf8(order, orderOf(after)) > 0)
    .sort((a, b) => compareUtf8(a.order, b.order));
  const partitions = found.slice(0, limit).map(({ name: { table, partition, hash } }) => ({
    ...{ table, partition, hash },
    aggregate: rows.aggregate(table, partition),
  }));
  return found.length > limit
    ? { ...emptySurvey, partitions, next: found[limit - 1]?.order ?? '' }
    : { ...emptySurvey, partitions };
}

function versionsOf(rows: MemoryRows, request: Asked<'versions'>): SurveyReply {
  const { of, after, limit, power = 0, buckets } = request;
  const wanted = buckets === undefined ? undefined : new Set(buckets);
  const found = rows
    .versions(of.table, of.partition)
    .filter(({ sort }) => after === undefined || compareUtf8(sort, after) > 0)
    .filter(({ sort }) => wanted === undefined || wanted.has(bucketOf(sort, power)));
  const versions = found.slice(0, limit);
  const bytes = versions.reduce(
    (sum, { sort }) => sum + rows.lengthOf(of.table, of.partition, sort),
    0,
  );
  return found.length > limit
    ? { ...emptySurvey, versions, bytes, next: versions.at(-1)?.sort ?? '' }
    : { ...emptySurvey, versions, bytes };
}

function quarantinedOf(rows: MemoryRows, blobs: MemoryBlobs): Quarantined[] {
  return [...rows.bad().map((row) => ({ row })), ...blobs.bad().map((blob) => ({ blob }))];
}
