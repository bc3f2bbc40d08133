/** Surveys, to bytes and back: one flat message each way, of which each question uses a part. */
import type { Aggregate, Fence, RowKey } from '../device-service.ts';
import {
  digestBytes,
  digestsMax,
  emptySurvey,
  type ForgottenRow,
  type PartitionName,
  type Quarantined,
  type SurveyedPartition,
  type SurveyedVersion,
  type SurveyReply,
  type SurveyRequest,
  surveyEntriesMax,
} from '../survey.ts';
import { noVersion } from '../versions.ts';
import { badMessage, type Decoder } from './decoder.ts';
import type { Encoder } from './encoder.ts';
import {
  readAggregate,
  readBlobKey,
  readFence,
  readKey,
  readVersionField,
  writeAggregate,
  writeBlobKey,
  writeFence,
  writeKey,
  writeVersionField,
} from './messages.ts';

const whats = [
  'digests',
  'partitions',
  'versions',
  'quarantined',
  'fences',
  'scrub',
  'refilled',
  'forget',
] as const;

function writeName(to: Encoder, field: number, name: PartitionName): void {
  const start = to.begin(field);
  to.string(1, name.table);
  to.string(2, name.partition);
  to.fixed32(3, name.hash);
  to.end(start);
}

function readName(from: Decoder): PartitionName {
  let table = '';
  let partition = '';
  let hash = 0;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) table = from.string();
    else if (field === 2) partition = from.string();
    else if (field === 3) hash = from.fixed32();
    else from.skip();
  }
  return { table, partition, hash };
}

export function writeSurvey(to: Encoder, kind: number, request: SurveyRequest): void {
  const start = to.begin(kind);
  to.uint(1, whats.indexOf(request.what) + 1);
  if (request.what === 'digests') {
    to.uint(2, request.power);
    to.uint(3, request.first);
    to.uint(4, request.count);
    if (request.within !== undefined) writeName(to, 5, request.within);
  } else if (request.what === 'partitions') {
    to.uint(6, request.from);
    to.uint(7, request.until);
    if (request.after !== undefined) writeName(to, 5, request.after);
    to.uint(9, request.limit);
  } else if (request.what === 'versions') {
    writeName(to, 5, request.of);
    if (request.after !== undefined) to.string(8, request.after);
    to.uint(9, request.limit);
    to.uint(2, request.power ?? 0);
    for (const bucket of request.buckets ?? []) to.element(10, bucket);
  } else if (request.what === 'forget') {
    for (const { key, version } of request.rows) {
      const inner = to.begin(12);
      writeKey(to, 1, key);
      writeVersionField(to, 2, version);
      to.end(inner);
    }
  } else if (request.what !== 'refilled') {
    if (request.after !== undefined) to.string(8, request.after);
    if (request.what === 'scrub') to.uint(11, request.bytesMax);
    else to.uint(9, request.limit);
  }
  to.end(start);
}

interface Fields {
  power: number;
  first: number;
  count: number;
  partition: PartitionName | undefined;
  from: number;
  until: number;
  after: string | undefined;
  limit: number;
  buckets: number[];
  bytesMax: number;
  forgotten: ForgottenRow[];
}

export function readSurvey(from: Decoder): SurveyRequest {
  let what = 0;
  const fields: Fields = {
    ...{ power: 0, first: 0, count: 0, partition: undefined, from: 0, until: 0 },
    ...{ after: undefined, limit: 0, buckets: [], bytesMax: 0, forgotten: [] },
  };
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) what = from.uint32();
    else if (field === 2) fields.power = from.uint32();
    else if (field === 3) fields.first = from.uint32();
    else if (field === 4) fields.count = from.uint32();
    else if (field === 5) fields.partition = readName(from.message());
    else if (field === 6) fields.from = from.uint();
    else if (field === 7) fields.until = from.uint();
    else if (field === 8) fields.after = from.string();
    else if (field === 9) fields.limit = from.uint32();
    else if (field === 10) fields.buckets.push(...from.uints());
    else if (field === 11) fields.bytesMax = from.uint();
    else if (field === 12) fields.forgotten.push(readForgotten(from.message()));
    else from.skip();
    if (fields.buckets.length > digestsMax) throw badMessage('too many buckets');
    if (fields.forgotten.length > surveyEntriesMax) throw badMessage('too many rows to forget');
  }
  return requestOf(whats[what - 1], fields);
}

function readForgotten(from: Decoder): ForgottenRow {
  let key: RowKey | undefined;
  let version = noVersion;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) key = readKey(from.message());
    else if (field === 2) version = readVersionField(from.message());
    else from.skip();
  }
  if (key === undefined) throw badMessage('a row without key');
  return { key, version };
}

function requestOf(what: SurveyRequest['what'] | undefined, fields: Fields): SurveyRequest {
  const { power, first, count, partition, limit, bytesMax, buckets } = fields;
  const after = fields.after === undefined ? {} : { after: fields.after };
  switch (what) {
    case 'digests':
      return {
        what,
        power,
        first,
        count,
        ...(partition === undefined ? {} : { within: partition }),
      };
    case 'partitions': {
      const rest = partition === undefined ? {} : { after: partition };
      return { what, from: fields.from, until: fields.until, limit, ...rest };
    }
    case 'versions':
      if (partition === undefined) throw badMessage('versions of nothing');
      return {
        ...{ what, of: partition, limit, ...after },
        ...(buckets.length === 0 ? {} : { power, buckets }),
      };
    case 'quarantined':
    case 'fences':
      return { what, limit, ...after };
    case 'scrub':
      return { what, bytesMax, ...after };
    case 'refilled':
      return { what };
    case 'forget':
      return { what, rows: fields.forgotten };
    case undefined:
      throw badMessage('an unknown survey');
  }
}

export function writeSurveyReply(to: Encoder, kind: number, reply: SurveyReply): void {
  const start = to.begin(kind);
  if (reply.digests.length > 0) to.bytes(1, reply.digests);
  for (const partition of reply.partitions) {
    const inner = to.begin(2);
    writeName(to, 1, partition);
    writeAggregate(to, 2, partition.aggregate);
    to.end(inner);
  }
  for (const { sort, version, deleted } of reply.versions) {
    const inner = to.begin(3);
    to.string(1, sort);
    writeVersionField(to, 2, version);
    to.bool(3, deleted === true);
    to.end(inner);
  }
  for (const { row, blob } of reply.quarantined) {
    if (row !== undefined) writeKey(to, 4, row);
    else writeBlobKey(to, 5, blob);
  }
  for (const fence of reply.fences) writeFence(to, 6, fence);
  if (reply.next !== undefined) to.string(7, reply.next);
  to.uint(8, reply.records);
  to.uint(9, reply.bytes);
  to.uint(10, reply.bad);
  to.end(start);
}

export function readSurveyReply(from: Decoder): SurveyReply {
  const partitions: SurveyedPartition[] = [];
  const versions: SurveyedVersion[] = [];
  const quarantined: Quarantined[] = [];
  const fences: Fence[] = [];
  let { digests, next, records, bytes, bad } = emptySurvey;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) digests = from.bytes();
    else if (field === 2) partitions.push(readPartition(from.message()));
    else if (field === 3) versions.push(readVersion(from.message()));
    else if (field === 4) quarantined.push({ row: readKey(from.message()) });
    else if (field === 5) quarantined.push({ blob: readBlobKey(from.message()) });
    else if (field === 6) fences.push(readFence(from.message()));
    else if (field === 7) next = from.string();
    else if (field === 8) records = from.uint();
    else if (field === 9) bytes = from.uint();
    else if (field === 10) bad = from.uint();
    else from.skip();
  }
  const longest = Math.max(partitions.length, versions.length, quarantined.length, fences.length);
  if (longest > surveyEntriesMax || digests.length > 2 * digestBytes * digestsMax)
    throw badMessage('too much in a survey');
  return { digests, partitions, versions, quarantined, fences, next, records, bytes, bad };
}

function readPartition(from: Decoder): SurveyedPartition {
  let name: PartitionName | undefined;
  let aggregate: Aggregate | undefined;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) name = readName(from.message());
    else if (field === 2) aggregate = readAggregate(from.message());
    else from.skip();
  }
  if (name === undefined || aggregate === undefined) throw badMessage('a partition without name');
  return { ...name, aggregate };
}

function readVersion(from: Decoder): SurveyedVersion {
  let sort = '';
  let version = noVersion;
  let deleted = false;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) sort = from.string();
    else if (field === 2) version = readVersionField(from.message());
    else if (field === 3) deleted = from.bool();
    else from.skip();
  }
  return deleted ? { sort, version, deleted } : { sort, version };
}
