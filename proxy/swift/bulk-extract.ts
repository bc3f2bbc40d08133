/** `PUT …?extract-archive=tar|tar.gz|tar.bz2`: each file of the archive becomes an object, put as a request of its own. */
import { Buffer } from 'node:buffer';
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract, type Header as TarHeader } from 'tar-stream';
import unbzip2 from 'unbzip2-stream';
import { isFailure, messageOf } from '#common';
import type { Reply } from '../exchange.ts';
import { type ReportFormat, renderReport, reportFormat } from './bulk-report.ts';
import { isSuccess, refusal, renderFailure, settled, statusLine } from './refusal.ts';
import { headersOf, subRequest } from './sub-request.ts';
import type { SwiftPath } from './swift-path.ts';
import type { SwiftHandler, SwiftRequest, SwiftServices } from './swift-request.ts';
import { encodePercent, toHeader } from './text.ts';

const forms = new Map<string, () => NodeJS.ReadWriteStream | undefined>([
  ['tar', () => undefined],
  ['tar.gz', () => createGunzip()],
  ['tar.bz2', () => unbzip2()],
]);

const shownPathMax = 1024 + 256 + 2;

export async function extractArchive(
  request: SwiftRequest,
  next: SwiftHandler,
  services: SwiftServices,
): Promise<Reply> {
  const { exchange, query } = request;
  const type = (query.get('extract-archive') ?? '').toLowerCase().replace(/^\.+|\.+$/g, '');
  const unpack = forms.get(type);
  if (unpack === undefined) throw refusal('bad-request', `Unsupported archive format`);
  if (exchange.body.length === undefined && exchange.headers['transfer-encoding'] !== 'chunked')
    throw refusal('length-required');
  const format = reportFormat(exchange);
  const job = new Extraction(request, next, services);
  const archive = extract();
  const source = Readable.from(exchange.body, { objectMode: false });
  const unpacked = unpack();
  const reading =
    unpacked === undefined
      ? pipeline(source, archive)
      : pipeline(source, unpacked as Transform, archive);
  // Met below, where the archive's entries are awaited too.
  reading.catch(() => undefined);
  try {
    for await (const entry of archive) {
      await job.take(entry.header, chunksOf(entry));
      entry.resume();
      if (job.isOver) break;
    }
    if (!job.isOver) await reading;
    return job.report(format);
  } catch (error) {
    archive.destroy();
    if (isFailure(error)) return job.stopped(format, error);
    return job.broken(format, messageOf(error));
  } finally {
    source.destroy();
  }
}

async function* chunksOf(entry: AsyncIterable<unknown>): AsyncIterable<Buffer> {
  for await (const chunk of entry) if (Buffer.isBuffer(chunk)) yield chunk;
}

/** Headers that hold for every file, and what extended attributes add for one. */
function fileHeaders({ exchange }: SwiftRequest, header: TarHeader): Record<string, string> {
  const own = Object.entries(headersOf(exchange)).filter(
    ([name]) => /^x-delete-(?:at|after)$/.test(name) || name.startsWith('x-object-meta-'),
  );
  const headers: Record<string, string> = Object.fromEntries(own);
  for (const [key, held] of Object.entries(header.pax ?? {})) {
    const value = String(held);
    const [, name] = /^(?:SCHILY|LIBARCHIVE)\.xattr\.user\.(mime_type|meta\..+)$/.exec(key) ?? [];
    if (name === 'mime_type') headers['content-type'] = toHeader(value);
    else if (name !== undefined)
      headers[`x-object-meta-${toHeader(name.slice('meta.'.length)).toLowerCase()}`] =
        toHeader(value);
  }
  return headers;
}

class Extraction {
  private readonly request: SwiftRequest;
  private readonly next: SwiftHandler;
  private readonly services: SwiftServices;
  private readonly base: string;
  private readonly errors: [string, string][] = [];
  private readonly seen = new Set<string>();
  private created = 0;
  private containersMade = 0;
  private worst = 400;

  constructor(request: SwiftRequest, next: SwiftHandler, services: SwiftServices) {
    this.request = request;
    this.next = next;
    this.services = services;
    const { container, object } = request.path;
    this.base = [container, object]
      .filter((part) => part !== undefined)
      .join('/')
      .replace(/\/+$/, '');
  }

  get isOver(): boolean {
    return this.errors.length >= this.services.swift.extractFailuresMax;
  }

  async take(header: TarHeader, body: AsyncIterable<Buffer>): Promise<void> {
    if (header.type !== 'file' && header.type !== 'contiguous-file') return;
    const path = this.pathOf(header.name);
    const cut = path.indexOf('/');
    // Beside the archive's folders there is nothing that a file could lie in.
    if (cut <= 0 || cut === path.length - 1) return;
    const target = {
      account: this.request.path.account,
      container: path.slice(0, cut),
      object: path.slice(cut + 1),
    };
    if (path.includes('\ufffd') || path.includes('\0')) return this.fail(path, 412);
    if ((header.size ?? 0) > this.services.settings.objectBytesMax) return this.fail(path, 413);
    const refused = await this.ensureContainer(target);
    const stored = await this.put(target, header, body);
    if (isSuccess(stored)) {
      this.created += 1;
      return;
    }
    if (refused !== undefined) this.errors.push(refused);
    this.fail(path, stored.status);
    if (stored.status === 401) throw refusal('unauthorized');
  }

  private pathOf(name: string): string {
    const path = name.replace(/^\.\//, '').replace(/^\/+/, '');
    return this.base === '' ? path : `${this.base}/${path}`;
  }

  private fail(path: string, status: number): void {
    if (status >= 500) this.worst = 502;
    this.errors.push([encodePercent(path.slice(0, shownPathMax)), statusLine(status)]);
  }

  private async put(
    path: SwiftPath,
    header: TarHeader,
    body: AsyncIterable<Buffer>,
  ): Promise<Reply> {
    const { size = 0 } = header;
    const headers = fileHeaders(this.request, header);
    const sub = { method: 'PUT', path, headers, body, length: size };
    return await settled(() => this.next(subRequest(this.request, sub)));
  }

  /** Makes the container unless it is there; what to report when it cannot be had. */
  private async ensureContainer({
    account,
    container,
  }: SwiftPath): Promise<[string, string] | undefined> {
    if (container === undefined || this.seen.has(container)) return undefined;
    this.seen.add(container);
    const ask = (method: string) =>
      settled(() => this.next(subRequest(this.request, { method, path: { account, container } })));
    const found = await ask('HEAD');
    if (isSuccess(found)) return undefined;
    const made = found.status === 404 ? await ask('PUT') : found;
    if (made.status === 401) throw refusal('unauthorized');
    const shown = encodePercent(`/v1/${account}/${container}`);
    if (!isSuccess(made)) return [shown, statusLine(made.status)];
    this.containersMade += 1;
    const { extractContainersMax: max } = this.services.swift;
    if (this.containersMade > max)
      throw refusal('bad-request', `More than ${max} containers to create from tar.`);
    return undefined;
  }

  report(format: ReportFormat): Reply {
    if (this.errors.length > 0) return this.render(format, this.worst, '');
    if (this.created > 0) return this.render(format, 201, '');
    return this.render(format, 400, 'Invalid Tar File: No Valid Files');
  }

  /** Something that ends the whole request. */
  stopped(format: ReportFormat, error: Error): Reply {
    const reply = renderFailure(error);
    if (reply.status === 500) throw error;
    return this.render(format, reply.status, typeof reply.body === 'string' ? reply.body : '');
  }

  broken(format: ReportFormat, reason: string): Reply {
    return this.render(format, 400, `Invalid Tar File: ${reason}`);
  }

  private render(format: ReportFormat, status: number, body: string): Reply {
    const fields = {
      'Response Status': statusLine(status),
      'Response Body': body,
      'Number Files Created': this.created,
    };
    const text = renderReport(format, fields, this.errors, 'extract');
    return { status: 200, headers: { 'Content-Type': format }, body: text };
  }
}
