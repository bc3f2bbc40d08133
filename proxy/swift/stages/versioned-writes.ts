/**
 * Legacy versioning: a container names another one, into which what is overwritten or deleted goes first. As a stack
 * (`X-Versions-Location`) a DELETE brings the last one back; as a history (`X-History-Location`) it leaves a marker of the deletion.
 */
import { Buffer } from 'node:buffer';
import { isFailure } from '#common';
import type { Reply } from '../../exchange.ts';
import type { Container, ObjectSummary } from '../../objects/index.ts';
import { authorize } from '../access.ts';
import { openContainer } from '../containers.ts';
import { isSuccess, refusal, settled } from '../refusal.ts';
import { granted, subRequest } from '../sub-request.ts';
import type { SwiftPath } from '../swift-path.ts';
import {
  isObjectRequest,
  type ObjectRequest,
  type SwiftHandler,
  type SwiftServices,
  type SwiftStage,
} from '../swift-request.ts';
import { timestamp } from '../text.ts';
import { deleteMarkerType } from '../version-id.ts';
import { versionsLocation } from '../versions-location.ts';

const listed = 1_000;
/** What the clock counts. */
const tickUs = 1_000;

export function createVersionedWrites(services: SwiftServices): SwiftStage {
  const kept = async (request: ObjectRequest, next: SwiftHandler): Promise<Reply> => {
    const { method } = request.exchange;
    const { account, container: name } = request.path;
    const container = await openContainer(request, services, account, name);
    const location = versionsLocation(container);
    if (location === undefined || request.internal?.restoring === true) return await next(request);
    authorize(request.caller, account, container, 'write');
    const keeper = new VersionKeeper({ request, next, services, versions: location.container });
    if (method === 'PUT') {
      await keeper.laterThan(await keeper.archive());
      return await next(request);
    }
    if (location.mode === 'stack') return await keeper.pop();
    await keeper.laterThan(await keeper.archive());
    await keeper.mark();
    return await next(request);
  };
  return (request, next) => {
    const { method } = request.exchange;
    const isWrite = method === 'PUT' || method === 'DELETE';
    return isWrite && isObjectRequest(request) ? kept(request, next) : next(request);
  };
}

interface KeeperOptions {
  readonly request: ObjectRequest;
  readonly next: SwiftHandler;
  readonly services: SwiftServices;
  readonly versions: string;
}

class VersionKeeper {
  private readonly options: KeeperOptions;
  private readonly prefix: string;

  constructor(options: KeeperOptions) {
    this.options = options;
    const { object } = options.request.path;
    this.prefix = `${Buffer.byteLength(object).toString(16).padStart(3, '0')}${object}/`;
  }

  /** Copies what is there, if anything, into the other container; tells when it was written, in microseconds. */
  async archive(): Promise<number> {
    const { request } = this.options;
    const current = await this.read(request.path);
    if (current.status === 404) return 0;
    check(current);
    const at = String(current.headers['X-Timestamp'] ?? '0');
    check(await this.write(this.versionPath(`${this.prefix}${at.padStart(16, '0')}`), current));
    return Math.round(Number(at) * 1_000_000);
  }

  /**
   * Versions are named by when they were written, and the clock counts milliseconds: what follows within the same one would
   * take the name, and the place, of what it follows. A clock that was set back is not waited for.
   */
  async laterThan(versionUs: number): Promise<void> {
    const { clock } = this.options.services;
    if (Math.abs(clock.nowUs() - versionUs) < tickUs) await clock.sleep((2 * tickUs) / 1_000);
  }

  /** Says in the history that it was deleted now. What is written next is later. */
  async mark(): Promise<void> {
    const atUs = this.options.services.clock.nowUs();
    const name = `${this.prefix}${timestamp(atUs).padStart(16, '0')}`;
    const headers = { 'content-type': deleteMarkerType };
    check(await this.ask({ method: 'PUT', path: this.versionPath(name), headers }));
    await this.laterThan(atUs);
  }

  /** Brings the last version back in place of what is there, or deletes it when there is none. */
  async pop(): Promise<Reply> {
    const { request, next } = this.options;
    const { path } = request;
    for await (const version of this.newestFirst()) {
      if (version.contentType === deleteMarkerType) return await this.popMarker(version);
      if (!(await this.restore(version.name))) continue;
      return await this.ask({ method: 'DELETE', path: this.versionPath(version.name) });
    }
    return await next({ ...request, path });
  }

  /** The last thing that happened was a deletion: undone, unless something was written since. */
  private async popMarker(marker: ObjectSummary): Promise<Reply> {
    const { request, next } = this.options;
    const current = await this.ask({ method: 'HEAD', path: request.path });
    if (current.status !== 404) {
      check(current);
      return await next(request);
    }
    for await (const version of this.newestFirst(marker.name)) {
      if (version.contentType === deleteMarkerType) break;
      if (!(await this.restore(version.name))) continue;
      const gone = await this.ask({ method: 'DELETE', path: this.versionPath(version.name) });
      if (gone.status !== 404) check(gone);
      break;
    }
    return await this.ask({ method: 'DELETE', path: this.versionPath(marker.name) });
  }

  private async restore(name: string): Promise<boolean> {
    const found = await this.read(this.versionPath(name));
    if (found.status === 404) return false;
    check(found);
    check(await this.write(this.options.request.path, found));
    return true;
  }

  private async *newestFirst(marker?: string): AsyncIterable<ObjectSummary> {
    const { services } = this.options;
    const container = await this.findVersions();
    if (container === undefined) return;
    let after = marker;
    for (;;) {
      const found = await services.objects.containers.list(container, {
        prefix: this.prefix,
        reverse: true,
        limit: listed,
        ...(after === undefined ? {} : { marker: after }),
      });
      for (const entry of found.entries)
        if (entry.name !== undefined) {
          after = entry.name;
          yield entry;
        }
      if (!found.more) return;
    }
  }

  private async findVersions(): Promise<Container | undefined> {
    const { services, request, versions } = this.options;
    try {
      return await services.objects.containers.open(request.path.account, versions);
    } catch (error) {
      if (isFailure(error, 'missing')) return undefined;
      throw error;
    }
  }

  private versionPath(object: string): SwiftPath {
    const { request, versions } = this.options;
    return { account: request.path.account, container: versions, object };
  }

  /** An object as it is stored: a symlink itself, a manifest itself. */
  private async read(path: SwiftPath): Promise<Reply> {
    const query = new Map([['symlink', 'get']]);
    const reply = await this.ask({ method: 'GET', path, query });
    const isManifest =
      reply.headers['X-Static-Large-Object'] !== undefined ||
      reply.headers['X-Object-Manifest'] !== undefined;
    if (!isManifest) return reply;
    const raw = new Map([...query, ['multipart-manifest', 'get'], ['format', 'raw']]);
    const manifest = await this.ask({ method: 'GET', path, query: raw });
    const isHollow = Buffer.isBuffer(manifest.body) && manifest.body.equals(Buffer.from('[]'));
    return isHollow
      ? reply
      : {
          ...manifest,
          headers: { ...manifest.headers, 'Content-Type': reply.headers['Content-Type'] ?? '' },
        };
  }

  private async write(path: SwiftPath, found: Reply): Promise<Reply> {
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(found.headers)) {
      const lower = name.toLowerCase();
      if (!notKept.has(lower)) headers[lower] = String(value);
    }
    const isStatic = found.headers['X-Static-Large-Object'] !== undefined;
    const query = new Map(isStatic && isRaw(found) ? [['multipart-manifest', 'put']] : []);
    const body = found.body ?? Buffer.alloc(0);
    return await this.ask({
      method: 'PUT',
      path,
      query,
      headers,
      body: typeof body === 'string' ? Buffer.from(body) : body,
      length: Number(found.headers['Content-Length'] ?? found.headers['content-length'] ?? 0),
    });
  }

  private async ask(sub: Parameters<typeof subRequest>[1]): Promise<Reply> {
    const { request, next } = this.options;
    const caller = granted(request.caller, { account: request.path.account });
    const inner = subRequest(request, { ...sub, caller, internal: { restoring: true } });
    return await settled(() => next(inner));
  }
}

const notKept = new Set([
  'etag',
  'content-length',
  'x-static-large-object',
  'x-timestamp',
  'last-modified',
  'accept-ranges',
  'x-manifest-etag',
  'content-location',
]);

function isRaw(found: Reply): boolean {
  return Buffer.isBuffer(found.body) && found.body[0] === 0x5b;
}

/** A client's mistake in the settings of the container is told as one; all else is ours. */
function check(reply: Reply): void {
  if (isSuccess(reply)) return;
  if (reply.status >= 400 && reply.status < 500) throw refusal('precondition-failed');
  throw refusal('unavailable');
}
