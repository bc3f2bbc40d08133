/** PUT of a static large object's manifest: every segment is looked at, and what was found is stored. */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { isFailure } from '#common';
import type { Reply } from '../exchange.ts';
import {
  type Container,
  type ManifestSegment,
  manifestBytesMax,
  type ObjectInfo,
  publicEtag,
} from '../objects/index.ts';
import { authorize } from './access.ts';
import { type ReportErrors, type ReportFormat, renderReport, reportFormat } from './bulk-report.ts';
import { stripQuotes } from './conditional.ts';
import { openContainer } from './containers.ts';
import { encryptionOf } from './encryption.ts';
import { follow } from './find-object.ts';
import { withHeartbeat } from './heartbeat.ts';
import {
  checkObjectName,
  created,
  readFields,
  readPutConditions,
  requireLength,
} from './object-fields.ts';
import { reasonOf, refusal, SwiftRefusal, statusLine, statusOf } from './refusal.ts';
import { parseManifest, resolveRange, type WantedSegment } from './slo-manifest.ts';
import { headerOf, type ObjectRequest, type SwiftServices } from './swift-request.ts';
import { writtenAt } from './synced-writes.ts';
import { encodePercent, isoTime, isTrue } from './text.ts';

const headsInFlightMax = 16;

export async function putManifest(
  request: ObjectRequest,
  services: SwiftServices,
  container: Container,
): Promise<Reply> {
  const { exchange, path, query } = request;
  requireLength(exchange, manifestBytesMax);
  checkObjectName(path.object);
  const body = await exchange.body.whole(manifestBytesMax);
  const wanted = parseManifest(body, `${path.container}/${path.object}`);
  const store = () => storeManifest(request, services, { container, wanted });
  if (!isTrue(query.get('heartbeat'))) return await store();
  const format = reportFormat(exchange);
  return {
    status: 202,
    headers: { 'Content-Type': format },
    body: withHeartbeat(services.clock, () => outcomeOf(store, format)),
  };
}

interface CheckedManifest {
  readonly container: Container;
  readonly wanted: readonly WantedSegment[];
}

async function storeManifest(
  request: ObjectRequest,
  services: SwiftServices,
  { container, wanted }: CheckedManifest,
): Promise<Reply> {
  const { exchange, path } = request;
  const found = await findSegments(request, services, wanted);
  const problems = found.flatMap(({ problems: each }) => each);
  if (problems.length > 0) throw new ManifestProblems(problems, reportFormat(exchange));
  const segments = found.map(({ segment }) => segment);
  const size = found.reduce((sum, { length }) => sum + length, 0);
  const etag = manifestEtag(segments);
  const given = headerOf(exchange, 'etag');
  if (given && stripQuotes(given).toLowerCase() !== etag) throw refusal('unprocessable');
  const fields = readFields(exchange, path.object, services.clock.nowUs());
  const conditions = readPutConditions(exchange);
  const encryption = await encryptionOf(services);
  const { info } = await services.objects.objects.put({
    container,
    name: path.object,
    ...fields,
    system: { 'slo-etag': etag, 'slo-size': String(size) },
    kind: 'slo',
    ...writtenAt(request),
    mode: 'available',
    body: Buffer.from(JSON.stringify(segments)),
    ...(conditions === undefined ? {} : { conditions }),
    ...(encryption === undefined ? {} : { encryption }),
  });
  return created(info, `"${etag}"`);
}

/** What came of it, as the end of an answer whose status was sent long before. */
async function outcomeOf(store: () => Promise<Reply>, format: ReportFormat): Promise<string> {
  try {
    const { headers, status } = await store();
    const fields = {
      'Response Status': statusLine(status),
      Etag: String(headers.Etag ?? ''),
      'Last Modified': String(headers['Last-Modified'] ?? ''),
      'Response Body': '',
    };
    return renderReport(format, fields, [], 'upload');
  } catch (error) {
    const status = statusOf(error);
    const problems = error instanceof ManifestProblems ? error.problems : [];
    const fields = { 'Response Status': statusLine(status), 'Response Body': reasonOf(status) };
    return renderReport(format, fields, problems, 'upload');
  }
}

/** A manifest whose segments are not what it says. */
class ManifestProblems extends SwiftRefusal {
  readonly problems: ReportErrors;

  constructor(problems: ReportErrors, format: ReportFormat) {
    const text = renderReport(format, {}, problems, 'upload');
    super('bad-request', text, { 'Content-Type': format });
    this.problems = problems;
  }
}

interface FoundSegment {
  readonly segment: ManifestSegment;
  /** Bytes that it adds to the whole. */
  readonly length: number;
  readonly problems: readonly (readonly [string, string])[];
}

async function findSegments(
  request: ObjectRequest,
  services: SwiftServices,
  wanted: readonly WantedSegment[],
): Promise<readonly FoundSegment[]> {
  const found: FoundSegment[] = [];
  for (let at = 0; at < wanted.length; at += headsInFlightMax) {
    const batch = wanted.slice(at, at + headsInFlightMax);
    const looked = batch.map((segment, index) =>
      findSegment(request, services, segment, at + index === wanted.length - 1),
    );
    found.push(...(await Promise.all(looked)));
  }
  return found;
}

async function findSegment(
  request: ObjectRequest,
  services: SwiftServices,
  wanted: WantedSegment,
  isLast: boolean,
): Promise<FoundSegment> {
  if (wanted.path === undefined) {
    const length = Buffer.byteLength(wanted.data, 'base64');
    return { segment: { data: wanted.data }, length, problems: [] };
  }
  const name = encodePercent(wanted.given);
  try {
    const info = await headSegment(request, services, wanted.path);
    return checkSegment(wanted, info, isLast);
  } catch (error) {
    if (!isFailure(error) || statusOf(error) >= 500) throw error;
    return { segment: {}, length: 0, problems: [[name, statusLine(statusOf(error))]] };
  }
}

async function headSegment(
  request: ObjectRequest,
  services: SwiftServices,
  name: string,
): Promise<ObjectInfo> {
  const { path, caller } = request;
  const cut = name.indexOf('/');
  const container = await openContainer(request, services, path.account, name.slice(0, cut));
  authorize(caller, path.account, container, 'object');
  const ref = { container, name: name.slice(cut + 1) };
  const info = await services.objects.objects.head(ref);
  if (info.kind !== 'symlink') return info;
  return (await follow(request, services, await services.objects.objects.get(ref))).stored.info;
}

function checkSegment(
  wanted: Extract<WantedSegment, { readonly path: string }>,
  info: ObjectInfo,
  isLast: boolean,
): FoundSegment {
  const problems: (readonly [string, string])[] = [];
  const name = encodePercent(wanted.given);
  const size = info.kind === 'slo' ? Number(info.system['slo-size'] ?? 0) : info.size;
  const etag = publicEtag(info);
  let length = size;
  let range: string | undefined;
  if (wanted.range !== undefined) {
    const bounds = resolveRange(wanted.range, size);
    if (bounds === undefined) problems.push([name, 'Unsatisfiable Range']);
    else {
      length = bounds.last - bounds.first + 1;
      if (length !== size) range = `${bounds.first}-${bounds.last}`;
    }
  }
  if (length < 1 && !isLast)
    problems.push([name, 'Too small; each segment must be at least 1 byte.']);
  if (wanted.sizeBytes !== undefined && wanted.sizeBytes !== size)
    problems.push([name, 'Size Mismatch']);
  if (wanted.etag !== undefined && stripQuotes(wanted.etag).toLowerCase() !== etag)
    problems.push([name, 'Etag Mismatch']);
  const segment: ManifestSegment = {
    name: `/${wanted.path}`,
    bytes: size,
    hash: etag,
    content_type: info.contentType,
    last_modified: isoTime(info.modifiedUs),
    ...(range === undefined ? {} : { range }),
    ...(info.kind === 'slo' ? { sub_slo: true } : {}),
  };
  return { segment, length, problems };
}

/** MD5 over the segments' ETags; a range is part of what identifies its segment. */
function manifestEtag(segments: readonly ManifestSegment[]): string {
  const md5 = createHash('md5');
  for (const { data, hash, range } of segments) {
    const own =
      data === undefined ? (hash ?? '') : createHash('md5').update(data, 'base64').digest('hex');
    md5.update(range === undefined ? own : `${own}:${range};`);
  }
  return md5.digest('hex');
}
