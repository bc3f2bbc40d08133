/**
 * Objects whose bytes lie in other objects: static large objects (a manifest names the segments) and dynamic ones (all objects under
 * a prefix). Segments are found when they are read, so a segment that changed since ends the read rather than mixing versions.
 */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { type FailureKind, isFailure } from '#common';
import { publicEtag } from './conditions.ts';
import type { Container } from './container-service.ts';
import { objectFailure } from './failures.ts';
import type { ObjectInfo, ObjectRef, ObjectService, StoredObject } from './object-service.ts';
import { type FollowedObject, followLinks, hopsMaxDefault } from './symlinks.ts';

/** A segment as the stored manifest (JSON, the keys of Swift's) has it. */
export interface ManifestSegment {
  /** `/container/object`; absent for inline data. */
  readonly name?: string;
  readonly hash?: string;
  /** Of the whole segment object. */
  readonly bytes?: number;
  /** `first-last`, inclusive. */
  readonly range?: string;
  /** The segment is a static large object itself. */
  readonly sub_slo?: boolean;
  readonly content_type?: string;
  readonly last_modified?: string;
  /** Base64. */
  readonly data?: string;
}

export interface AssembledObject {
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  read(offset: number, length: number): AsyncIterable<Buffer>;
}

export interface AssembleOptions {
  readonly service: ObjectService;
  /** Whose containers the segments lie in. */
  readonly account: string;
  /** Throws when the caller may not read objects of the container. */
  readonly mayRead: (container: Container) => void | Promise<void>;
}

export const depthMax = 10;
export const manifestBytesMax = 8 * 1024 * 1024;
const listingPagesMax = 10;
const pageMax = 10_000;

/** A dynamic large object is told by the prefix it names, which a change of metadata may set and take away. */
export function isDynamic(info: ObjectInfo): boolean {
  const { kind, system } = info;
  return (kind === 'dlo' || kind === 'plain') && system['x-object-manifest'] !== undefined;
}

/** What a GET of the object returns: for a plain one simply its own bytes. */
export async function assemble(
  options: AssembleOptions,
  stored: StoredObject,
): Promise<AssembledObject> {
  const { info } = stored;
  if (info.kind === 'slo') {
    const size = Number(info.system['slo-size'] ?? 0);
    const etag = publicEtag(info);
    return { size, etag, read: (at, length) => readManifest(options, stored, at, length, 1) };
  }
  if (isDynamic(info)) return await assembleDynamic(options, stored);
  return { size: info.size, etag: info.etag, read: stored.read };
}

function isSegment(value: unknown): value is ManifestSegment {
  if (typeof value !== 'object' || value === null) return false;
  const entry: Readonly<Record<string, unknown>> = { ...value };
  if (typeof entry.data === 'string') return true;
  return typeof entry.name === 'string' && typeof entry.bytes === 'number';
}

export async function readSegments(stored: StoredObject): Promise<readonly ManifestSegment[]> {
  const malformed = (cause?: unknown) =>
    objectFailure('row-malformed', 'A manifest cannot be read', {
      facts: { object: stored.info.name },
      cause,
    });
  if (stored.info.size > manifestBytesMax * 2) throw malformed();
  const chunks: Buffer[] = [];
  for await (const chunk of stored.read(0, stored.info.size)) chunks.push(chunk);
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.concat(chunks).toString());
  } catch (cause) {
    throw malformed(cause);
  }
  if (!Array.isArray(parsed) || !parsed.every(isSegment)) throw malformed();
  return parsed;
}

/** First and last byte of the segment object that belong to the large object. */
export function segmentBounds(segment: ManifestSegment): { first: number; length: number } {
  if (segment.data !== undefined)
    return { first: 0, length: Buffer.byteLength(segment.data, 'base64') };
  if (segment.range === undefined) return { first: 0, length: segment.bytes ?? 0 };
  const [first = 0, last = 0] = segment.range.split('-').map(Number);
  return { first, length: last - first + 1 };
}

async function* readManifest(
  options: AssembleOptions,
  stored: StoredObject,
  offset: number,
  length: number,
  depth: number,
): AsyncIterable<Buffer> {
  if (depth > depthMax)
    throw objectFailure('segment-changed', 'Manifests refer to manifests too deeply', {
      facts: { object: stored.info.name },
    });
  let skip = offset;
  let left = length;
  for (const segment of await readSegments(stored)) {
    if (left <= 0) return;
    const bounds = segmentBounds(segment);
    if (skip >= bounds.length) {
      skip -= bounds.length;
      continue;
    }
    const take = Math.min(bounds.length - skip, left);
    const at = bounds.first + skip;
    if (segment.data !== undefined)
      yield Buffer.from(segment.data, 'base64').subarray(at, at + take);
    else yield* readSegment(options, segment, at, take, depth);
    left -= take;
    skip = 0;
  }
}

function splitName(name: string): { container: string; object: string } {
  const path = name.replace(/^\/+/, '');
  const cut = path.indexOf('/');
  return { container: path.slice(0, cut), object: path.slice(cut + 1) };
}

async function openSegment(
  options: AssembleOptions,
  name: string,
  object: string,
): Promise<FollowedObject> {
  try {
    const container = await options.service.containers.open(options.account, name);
    await options.mayRead(container);
    const stored = await options.service.objects.get({ container, name: object });
    const { service, mayRead } = options;
    const follow = { service, mayRead, hopsMax: hopsMaxDefault };
    return await followLinks(follow, stored, options.account);
  } catch (cause) {
    if (!isFailure(cause) || retried.has(cause.kind)) throw cause;
    throw objectFailure('segment-changed', 'A segment cannot be had', {
      facts: { container: name, object, reason: cause.code },
      cause,
    });
  }
}

/** Failures of the moment; every other says that the manifest and its segments no longer fit together. */
const retried: ReadonlySet<FailureKind> = new Set(['busy', 'unreachable', 'closed', 'bug']);

async function* readSegment(
  options: AssembleOptions,
  segment: ManifestSegment,
  at: number,
  length: number,
  depth: number,
): AsyncIterable<Buffer> {
  const { container: name, object } = splitName(segment.name ?? '');
  const { stored } = await openSegment(options, name, object);
  checkSegment(segment, stored);
  if (stored.info.kind === 'slo') yield* readManifest(options, stored, at, length, depth + 1);
  else yield* stored.read(at, length);
}

function checkSegment(segment: ManifestSegment, { info }: StoredObject): void {
  const size = info.kind === 'slo' ? Number(info.system['slo-size']) : info.size;
  const same = segment.hash === undefined || segment.hash === publicEtag(info);
  if (same && size === segment.bytes) return;
  throw objectFailure('segment-changed', 'A segment is not what the manifest says', {
    facts: { segment: segment.name, size, expected: segment.bytes },
  });
}

/** As clients send it: percent-encoded, or plain where that is the same. */
function decodeManifest(manifest: string): string {
  try {
    return decodeURIComponent(manifest);
  } catch {
    return manifest;
  }
}

async function assembleDynamic(
  options: AssembleOptions,
  stored: StoredObject,
): Promise<AssembledObject> {
  const { segments, size, etag } = await dynamicSegments(options, stored);
  return { size, etag, read: (at, length) => readList(options, segments, at, length) };
}

interface DynamicSegments {
  readonly segments: readonly ManifestSegment[];
  readonly size: number;
  readonly etag: string;
}

async function dynamicSegments(
  options: AssembleOptions,
  stored: StoredObject,
): Promise<DynamicSegments> {
  const manifest = decodeManifest(stored.info.system['x-object-manifest'] ?? '');
  const { container: name, object: prefix } = splitName(manifest);
  const container = await options.service.containers.open(options.account, name);
  await options.mayRead(container);
  const segments: ManifestSegment[] = [];
  const etags = createHash('md5');
  let size = 0;
  let marker: string | undefined;
  for (let page = 0; page < listingPagesMax; page++) {
    const listed = await options.service.containers.list(container, {
      prefix,
      limit: pageMax,
      ...(marker === undefined ? {} : { marker }),
    });
    for (const entry of listed.entries) {
      if (entry.name === undefined) continue;
      const hash = entry.sloEtag ?? entry.etag;
      segments.push({ name: `/${name}/${entry.name}`, bytes: entry.size, hash });
      etags.update(hash);
      size += entry.size;
      marker = entry.name;
    }
    if (!listed.more) break;
  }
  return { segments, size, etag: etags.digest('hex') };
}

/**
 * The objects whose bytes, one after the other, are those of a large one; undefined when some are less than that: a range of an object,
 * bytes in the manifest, another manifest.
 */
export async function wholeSegments(
  options: AssembleOptions,
  stored: StoredObject,
): Promise<readonly ObjectRef[] | undefined> {
  const segments = isDynamic(stored.info)
    ? (await dynamicSegments(options, stored)).segments
    : await readSegments(stored);
  const refs: ObjectRef[] = [];
  for (const segment of segments) {
    if (segment.data !== undefined || segment.range !== undefined) return undefined;
    const { container: name, object } = splitName(segment.name ?? '');
    const found = await openSegment(options, name, object);
    checkSegment(segment, found.stored);
    if (found.stored.info.kind === 'slo' || isDynamic(found.stored.info)) return undefined;
    const { account, ...place } = found.at ?? { account: options.account, container: name, object };
    const container = await options.service.containers.open(account, place.container);
    refs.push({ container, name: place.object });
  }
  return refs;
}

async function* readList(
  options: AssembleOptions,
  segments: readonly ManifestSegment[],
  offset: number,
  length: number,
): AsyncIterable<Buffer> {
  let skip = offset;
  let left = length;
  for (const segment of segments) {
    if (left <= 0) return;
    const bytes = segment.bytes ?? 0;
    if (skip >= bytes) {
      skip -= bytes;
      continue;
    }
    const take = Math.min(bytes - skip, left);
    yield* readSegment(options, segment, skip, take, 1);
    left -= take;
    skip = 0;
  }
}
