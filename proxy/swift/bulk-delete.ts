/** Deleting many things in one request: a list of names, or a static large object with its segments. */
import { isFailure } from '#common';
import type { Reply } from '../exchange.ts';
import { type ManifestSegment, readSegments } from '../objects/index.ts';
import { authorize } from './access.ts';
import { type ReportErrors, renderReport, reportFormat } from './bulk-report.ts';
import { refusal, statusLine, statusOf } from './refusal.ts';
import type { ObjectRequest, Operation, SwiftRequest, SwiftServices } from './swift-request.ts';
import { decodePercent, encodePercent } from './text.ts';

export const deletesMax = 10_000;
const failuresMax = 1_000;
const inFlightMax = 16;
const lineBytesMax = 1024 + 256 + 2;
const listBytesMax = deletesMax * 3 * 300;
const segmentsBufferedMax = 10_000;

/** `POST /v1/account?bulk-delete`: names in the body, one a line, percent-encoded. Objects go before containers. */
export const bulkDelete: Operation<SwiftRequest> = async (request, services) => {
  const { exchange } = request;
  const type = exchange.headers['content-type'];
  if (type !== undefined && !type.startsWith('text/plain')) throw refusal('not-acceptable');
  if (exchange.body.length === undefined && exchange.headers['transfer-encoding'] !== 'chunked')
    throw refusal('length-required');
  const text = (await exchange.body.whole(listBytesMax)).toString('latin1');
  const names: string[] = [];
  for (const line of text.split('\n')) {
    const encoded = line.trim();
    if (encoded === '') continue;
    if (encoded.length > lineBytesMax * 3) throw refusal('bad-request', 'Invalid File Name');
    names.push(encoded);
    if (names.length > deletesMax)
      throw refusal('too-large', `Maximum Bulk Deletes: ${deletesMax} per request`);
  }
  const decoded = names.map((name) => ({ name, path: decodePercent(name) }));
  const isObject = (path: string | undefined) =>
    path?.replace(/^\/+|\/+$/g, '').includes('/') === true;
  const tally = new DeleteTally();
  for (const wanted of [true, false])
    await deleteAll(
      request,
      services,
      decoded.filter(({ path }) => isObject(path) === wanted),
      tally,
    );
  return tally.report(request);
};

interface Target {
  /** As the report names it. */
  readonly name: string;
  /** `container[/object]`; undefined when it cannot be decoded. */
  readonly path: string | undefined;
}

class DeleteTally {
  private deleted = 0;
  private notFound = 0;
  private readonly errors: (readonly [string, string])[] = [];
  private worst = 400;

  get failed(): number {
    return this.errors.length;
  }

  count(wasThere: boolean): void {
    if (wasThere) this.deleted += 1;
    else this.notFound += 1;
  }

  fail(name: string, status: number): void {
    this.errors.push([name, statusLine(status)]);
    if (status >= 500) this.worst = 502;
  }

  report({ exchange }: SwiftRequest): Reply {
    const nothing = this.deleted === 0 && this.notFound === 0 && this.errors.length === 0;
    const errors: ReportErrors = this.errors;
    const status = this.errors.length > 0 ? this.worst : nothing ? 400 : 200;
    const fields = {
      'Response Status': status === 502 ? '502 Bad Gateway' : statusLine(status),
      'Response Body': nothing ? 'Invalid bulk delete.' : '',
      'Number Deleted': this.deleted,
      'Number Not Found': this.notFound,
    };
    const format = reportFormat(exchange);
    const body = renderReport(format, fields, errors, 'delete');
    return { status: 200, headers: { 'Content-Type': format }, body };
  }
}

async function deleteAll(
  request: SwiftRequest,
  services: SwiftServices,
  targets: readonly Target[],
  tally: DeleteTally,
): Promise<void> {
  for (let at = 0; at < targets.length; at += inFlightMax) {
    if (tally.failed >= failuresMax) throw refusal('bad-request', 'Max delete failures exceeded');
    const batch = targets.slice(at, at + inFlightMax);
    await Promise.all(batch.map((target) => deleteOne(request, services, target, tally)));
  }
}

async function deleteOne(
  request: SwiftRequest,
  services: SwiftServices,
  { name, path }: Target,
  tally: DeleteTally,
): Promise<void> {
  if (path === undefined) return tally.fail(name, 412);
  try {
    tally.count(await deletePath(request, services, path.replace(/^\/+/, '')));
  } catch (error) {
    if (isFailure(error, 'missing')) tally.count(false);
    else tally.fail(name, statusOf(error));
  }
}

async function deletePath(
  { path: { account }, caller }: SwiftRequest,
  { objects }: SwiftServices,
  path: string,
): Promise<boolean> {
  const cut = path.indexOf('/');
  const name = cut < 0 ? path : path.slice(0, cut);
  const object = cut < 0 ? '' : path.slice(cut + 1);
  if (object === '') {
    authorize(caller, account, undefined, 'owner');
    await objects.containers.delete(account, name);
    return true;
  }
  const container = await objects.containers.open(account, name);
  authorize(caller, account, container, 'write');
  const { existed } = await objects.objects.delete(
    { container, name: object },
    { mode: 'available' },
  );
  return existed;
}

/** `DELETE …?multipart-manifest=delete`: the segments, those of nested manifests too, and then the manifest. */
export async function deleteLarge(request: ObjectRequest, services: SwiftServices): Promise<Reply> {
  const tally = new DeleteTally();
  const { container, object } = request.path;
  const order: string[] = [];
  await collect(request, services, `${container}/${object}`, order, tally, true);
  const targets = order.map((path) => ({ name: encodePercent(`/${path}`), path }));
  await deleteAll(request, services, targets, tally);
  return tally.report(request);
}

/** Appends segments depth first, each manifest after what it refers to. */
async function collect(
  request: ObjectRequest,
  services: SwiftServices,
  path: string,
  order: string[],
  tally: DeleteTally,
  isTop: boolean,
): Promise<void> {
  if (order.length > segmentsBufferedMax)
    throw refusal('bad-request', 'Too many buffered slo segments to delete.');
  let segments: readonly ManifestSegment[];
  try {
    segments = await manifestOf(request, services, path);
  } catch (error) {
    if (isFailure(error, 'missing')) tally.count(false);
    else tally.fail(encodePercent(`/${path}`), statusOf(error));
    if (isTop) return;
    order.push(path);
    return;
  }
  for (const segment of segments) {
    if (segment.name === undefined) continue;
    const name = segment.name.replace(/^\/+/, '');
    if (segment.sub_slo === true) await collect(request, services, name, order, tally, false);
    else order.push(name);
  }
  order.push(path);
}

async function manifestOf(
  { path: { account }, caller }: ObjectRequest,
  { objects }: SwiftServices,
  path: string,
): Promise<readonly ManifestSegment[]> {
  const cut = path.indexOf('/');
  const container = await objects.containers.open(account, path.slice(0, cut));
  authorize(caller, account, container, 'write');
  const stored = await objects.objects.get({ container, name: path.slice(cut + 1) });
  if (stored.info.kind === 'multipart') return [];
  if (stored.info.kind !== 'slo') throw refusal('bad-request', 'Not an SLO manifest');
  return await readSegments(stored);
}
