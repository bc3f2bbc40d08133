/** Deleting many things in one request: a list of names, or a static large object with its segments. */
import { Buffer } from 'node:buffer';
import { isFailure } from '#common';
import type { Reply } from '../exchange.ts';
import { type ManifestSegment, readSegments } from '../objects/index.ts';
import { authorize } from './access.ts';
import { type ReportErrors, renderReport, reportFormat } from './bulk-report.ts';
import { openContainer } from './containers.ts';
import { noteExpiry } from './expirer.ts';
import { isSuccess, refusal, renderFailure, settled, statusLine, statusOf } from './refusal.ts';
import { subRequest } from './sub-request.ts';
import type { Query, SwiftPath } from './swift-path.ts';
import type { ObjectRequest, SwiftHandler, SwiftRequest, SwiftServices } from './swift-request.ts';
import { decodePercent, encodePercent } from './text.ts';

export const deletesMax = 10_000;
const failuresMax = 1_000;
const inFlightMax = 16;
const lineBytesMax = 1024 + 256 + 2;
const listBytesMax = deletesMax * 3 * 300;
const segmentsBufferedMax = 10_000;

/** `POST /v1/account?bulk-delete`: names in the body, one a line, percent-encoded. Objects go before containers. */
export async function bulkDelete(request: SwiftRequest, next: SwiftHandler): Promise<Reply> {
  const tally = new DeleteTally();
  try {
    const targets = await readNames(request);
    const isObject = ({ path }: Target) => path?.replace(/^\/+|\/+$/g, '').includes('/') === true;
    for (const wanted of [true, false])
      await deleteAll(
        request,
        next,
        targets.filter((target) => isObject(target) === wanted),
        tally,
      );
    return tally.report(request);
  } catch (error) {
    return tally.stopped(request, error);
  }
}

async function readNames({ exchange }: SwiftRequest): Promise<readonly Target[]> {
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
  return names.map((name) => {
    const path = decodePercent(name);
    return { name: path === undefined ? reencode(name) : encodePercent(path), path };
  });
}

/** How a name that is no UTF-8 is reported: its bytes, percent-encoded. */
function reencode(name: string): string {
  const bytes = Buffer.from(
    name.replace(/%([0-9a-fA-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  const plain = (byte: number) => /[A-Za-z0-9_.\-~/]/.test(String.fromCharCode(byte));
  return [...bytes]
    .map((byte) =>
      plain(byte)
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');
}

interface Target {
  /** As the report names it. */
  readonly name: string;
  /** `container[/object]`; undefined when it cannot be decoded. */
  readonly path: string | undefined;
  readonly query?: Query;
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

  fail(name: string, status: number, text = statusLine(status)): void {
    this.errors.push([name, text]);
    if (status >= 500) this.worst = 502;
  }

  report(request: SwiftRequest): Reply {
    if (this.errors.length > 0) return this.render(request, this.worst, '');
    const nothing = this.deleted === 0 && this.notFound === 0;
    return this.render(request, nothing ? 400 : 200, nothing ? 'Invalid bulk delete.' : '');
  }

  /** Something that ended the whole request; what was done until then is told all the same. */
  stopped(request: SwiftRequest, error: unknown): Reply {
    const reply = renderFailure(error);
    if (reply.status === 500) throw error;
    return this.render(request, reply.status, typeof reply.body === 'string' ? reply.body : '');
  }

  private render({ exchange }: SwiftRequest, status: number, body: string): Reply {
    const errors: ReportErrors = this.errors;
    const fields = {
      'Response Status': statusLine(status),
      'Response Body': body,
      'Number Deleted': this.deleted,
      'Number Not Found': this.notFound,
    };
    const format = reportFormat(exchange);
    const text = renderReport(format, fields, errors, 'delete');
    return { status: 200, headers: { 'Content-Type': format }, body: text };
  }
}

async function deleteAll(
  request: SwiftRequest,
  next: SwiftHandler,
  targets: readonly Target[],
  tally: DeleteTally,
): Promise<void> {
  for (let at = 0; at < targets.length; at += inFlightMax) {
    if (tally.failed >= failuresMax) throw refusal('bad-request', 'Max delete failures exceeded');
    const batch = targets.slice(at, at + inFlightMax);
    await Promise.all(batch.map((target) => deleteOne(request, next, target, tally)));
  }
}

async function deleteOne(
  request: SwiftRequest,
  next: SwiftHandler,
  { name, path, query }: Target,
  tally: DeleteTally,
): Promise<void> {
  if (path === undefined) return tally.fail(name, 412);
  const sub = {
    method: 'DELETE',
    path: splitPath(request.path.account, path),
    ...(query === undefined ? {} : { query }),
  };
  const reply = await settled(() => next(subRequest(request, sub)));
  if (isSuccess(reply)) tally.count(true);
  else if (reply.status === 404) tally.count(false);
  else tally.fail(name, reply.status);
}

function splitPath(account: string, path: string): SwiftPath {
  const plain = path.replace(/^\/+/, '');
  const cut = plain.indexOf('/');
  if (cut < 0 || cut === plain.length - 1)
    return { account, container: cut < 0 ? plain : plain.slice(0, cut) };
  return { account, container: plain.slice(0, cut), object: plain.slice(cut + 1) };
}

interface Deletion {
  readonly request: ObjectRequest;
  readonly services: SwiftServices;
  readonly tally: DeleteTally;
  /** Depth first, each manifest after what it refers to. */
  readonly order: Target[];
}

/** `DELETE …?multipart-manifest=delete`: the segments, those of nested manifests too, and then the manifest. */
export async function deleteLarge(
  request: ObjectRequest,
  next: SwiftHandler,
  services: SwiftServices,
): Promise<Reply> {
  if (/^(?:true|1|yes|on|t|y)$/i.test(request.query.get('async') ?? ''))
    return await deleteLater(request, next, services);
  const tally = new DeleteTally();
  const { container, object } = request.path;
  const deletion: Deletion = { request, services, tally, order: [] };
  try {
    await collect(deletion, `${container}/${object}`, true);
    await deleteAll(request, next, deletion.order, tally);
    return tally.report(request);
  } catch (error) {
    return tally.stopped(request, error);
  }
}

/** `async=yes`: from now on the segments count as expired, and their bytes are given back in the background. */
async function deleteLater(
  request: ObjectRequest,
  next: SwiftHandler,
  services: SwiftServices,
): Promise<Reply> {
  const { container, object, account } = request.path;
  const segments = (await manifestOf(request, services, `${container}/${object}`)).filter(
    ({ name }) => name !== undefined,
  );
  const paths = segments.map(({ name = '' }) => splitPath(account, name));
  const names = [...new Set(paths.map((path) => path.container ?? ''))];
  if (names.length > 1)
    throw refusal(
      'bad-request',
      `All segments must be in one container. Found segments in ${names.map((name) => `"${encodePercent(name)}"`).join(', ')}`,
    );
  if (segments.some((segment) => segment.sub_slo === true))
    throw refusal('bad-request', 'No segments may be large objects.');
  const [name] = names;
  if (name !== undefined) {
    const holder = await openContainer(request, services, account, name);
    authorize(request.caller, account, holder, 'write');
    const nowS = Math.floor(services.clock.nowUs() / 1_000_000);
    for (let at = 0; at < paths.length; at += inFlightMax)
      await Promise.all(
        paths.slice(at, at + inFlightMax).map(async (path) => {
          const { object = '' } = path;
          const ref = { container: holder, name: object };
          await noteExpiry(services, { account, container: name, object }, nowS);
          await services.objects.objects
            .update(ref, (present) => ({ ...present, deleteAtS: nowS }))
            .catch((error: unknown) => {
              if (!isFailure(error, 'missing')) throw error;
            });
        }),
      );
  }
  const { path } = request;
  return await next(subRequest(request, { method: 'DELETE', path }));
}

async function collect(deletion: Deletion, path: string, isTop: boolean): Promise<void> {
  const { request, services, order, tally } = deletion;
  if (order.length > segmentsBufferedMax)
    throw refusal('bad-request', 'Too many buffered slo segments to delete.');
  const version = isTop ? request.query.get('version-id') : undefined;
  let segments: readonly ManifestSegment[];
  try {
    segments = await manifestOf(request, services, path, version);
  } catch (error) {
    if (isFailure(error, 'missing')) tally.count(false);
    else tally.fail(encodePercent(`/${path}`), statusOf(error), problemOf(error));
    return;
  }
  for (const segment of segments) {
    if (segment.name === undefined) continue;
    const name = segment.name.replace(/^\/+/, '');
    if (segment.sub_slo === true) await collect(deletion, name, false);
    else order.push({ name: encodePercent(`/${name}`), path: name });
  }
  const query = version === undefined ? {} : { query: new Map([['version-id', version]]) };
  order.push({ name: encodePercent(`/${path}`), path, ...query });
}

function problemOf(error: unknown): string {
  const { status, body } = renderFailure(error);
  return status === 400 && typeof body === 'string' ? body : statusLine(status);
}

async function manifestOf(
  request: ObjectRequest,
  services: SwiftServices,
  path: string,
  versionId?: string,
): Promise<readonly ManifestSegment[]> {
  const { account } = request.path;
  const cut = path.indexOf('/');
  const container = await openContainer(request, services, account, path.slice(0, cut));
  authorize(request.caller, account, container, 'write');
  const ref = { container, name: path.slice(cut + 1) };
  const stored = await services.objects.objects.get(
    ref,
    versionId === undefined ? undefined : { versionId },
  );
  if (stored.info.kind === 'multipart') return [];
  if (stored.info.kind !== 'slo') throw refusal('bad-request', 'Not an SLO manifest');
  return await readSegments(stored);
}
