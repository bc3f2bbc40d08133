/** `GET container?versions`: every version of every object, deletions too, as JSON. */
import { Buffer } from 'node:buffer';
import type { Reply } from '../exchange.ts';
import {
  type Container,
  type ObjectListEntry,
  type VersionListEntry,
  versioningOf,
} from '../objects/index.ts';
import { bestOf, type ListingRange, listingMax } from './listing.ts';
import { refusal } from './refusal.ts';
import type { ContainerRequest, SwiftServices } from './swift-request.ts';
import { isoTime, jsonText } from './text.ts';
import { deleteMarkerType, html } from './version-id.ts';

/** A reversed listing is read forwards first; beyond this it is refused. */
const reversedMax = 100_000;

export async function versionsReply(
  request: ContainerRequest,
  services: SwiftServices,
  listed: {
    readonly container: Container;
    readonly range: ListingRange;
    readonly headers: Record<string, string | number>;
  },
): Promise<Reply> {
  const { accept } = request.exchange.headers;
  const format = request.query.get('format');
  const isRefused =
    format === undefined
      ? accept !== undefined && bestOf(accept, ['application/json']) === undefined
      : format.toLowerCase() !== 'json';
  if (isRefused) throw refusal('not-acceptable');
  const { container, range, headers } = listed;
  const versionMarker = request.query.get('version_marker');
  if (versionMarker !== undefined && range.marker === undefined)
    throw refusal('bad-request', 'version_marker param requires marker', html);
  if (versionMarker !== undefined && !/^(?:null|[0-9a-f]{32})$/.test(versionMarker))
    throw refusal('bad-request', 'invalid version_marker param', html);
  if (/[0-9.]/.test(range.delimiter ?? ''))
    throw refusal('bad-request', 'invalid delimiter param', html);
  const entries = await readEntries(services, container, { ...range, versionMarker });
  const body = Buffer.from(`[${entries.map(versionJson).join(', ')}]`);
  const type = 'application/json; charset=utf-8';
  return { status: 200, headers: { ...headers, 'Content-Type': type, Vary: 'Accept' }, body };
}

interface VersionRange extends ListingRange {
  readonly versionMarker: string | undefined;
}

async function readEntries(
  services: SwiftServices,
  container: Container,
  range: VersionRange,
): Promise<readonly VersionListEntry[]> {
  if (range.limit === 0) return [];
  if (range.reverse === true) return await readReversed(services, container, range);
  const { marker, versionMarker, prefix, delimiter, limit, endMarker } = range;
  const entries: VersionListEntry[] = [];
  for await (const entry of listForward(services, container, {
    ...(prefix === undefined ? {} : { prefix }),
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(marker === undefined ? {} : { nameMarker: marker }),
    ...(versionMarker === undefined ? {} : { versionMarker }),
  })) {
    if (endMarker !== undefined && (entry.name ?? entry.prefix) >= endMarker) break;
    entries.push(entry);
    if (entries.length === limit) break;
  }
  return entries;
}

type ForwardRange = Omit<
  Parameters<SwiftServices['objects']['containers']['listVersions']>[1],
  'limit'
>;

async function* listForward(
  { objects }: SwiftServices,
  container: Container,
  range: ForwardRange,
): AsyncIterable<VersionListEntry> {
  if (versioningOf(container) === 'off') {
    yield* listUnversioned({ objects }, container, range);
    return;
  }
  let at = range;
  for (;;) {
    const page = await objects.containers.listVersions(container, { ...at, limit: listingMax });
    yield* page.entries;
    const last = page.entries.at(-1);
    if (!page.more || last === undefined) return;
    const { versionMarker: _, ...rest } = at;
    at =
      last.name === undefined
        ? { ...rest, nameMarker: last.prefix }
        : { ...rest, nameMarker: last.name, versionMarker: last.position };
  }
}

/** Where versions were never kept, every object is the one version that there is. */
async function* listUnversioned(
  { objects }: Pick<SwiftServices, 'objects'>,
  container: Container,
  { nameMarker, versionMarker: _, ...range }: ForwardRange,
): AsyncIterable<VersionListEntry> {
  let marker = nameMarker;
  for (;;) {
    const page: { entries: readonly ObjectListEntry[]; more: boolean } =
      await objects.containers.list(container, {
        ...range,
        ...(marker === undefined ? {} : { marker }),
        limit: listingMax,
      });
    for (const entry of page.entries)
      yield entry.name === undefined
        ? entry
        : { ...entry, versionId: 'null', isLatest: true, isDeleteMarker: false, position: 'null' };
    const last = page.entries.at(-1);
    if (!page.more || last === undefined) return;
    marker = last.name ?? last.prefix;
  }
}

/** Names from the last to the first, each with its oldest version first. */
async function readReversed(
  services: SwiftServices,
  container: Container,
  range: VersionRange,
): Promise<readonly VersionListEntry[]> {
  const { prefix, delimiter, marker, versionMarker, endMarker, limit } = range;
  const all: VersionListEntry[] = [];
  for await (const entry of listForward(services, container, {
    ...(prefix === undefined ? {} : { prefix }),
    ...(delimiter === undefined ? {} : { delimiter }),
  })) {
    all.push(entry);
    if (all.length > reversedMax)
      throw refusal('bad-request', 'Too many versions to list in reverse order', html);
  }
  all.reverse();
  const nameOf = (entry: VersionListEntry) => entry.name ?? entry.prefix;
  let from = 0;
  if (marker !== undefined) {
    from = all.findIndex((entry) => nameOf(entry) < marker);
    if (from < 0) from = all.length;
    const exact = all.findIndex(
      (entry) => entry.name === marker && entry.versionId === versionMarker,
    );
    if (versionMarker !== undefined && exact >= 0) from = exact + 1;
  }
  const rest = all.slice(from);
  const end = endMarker === undefined ? -1 : rest.findIndex((entry) => nameOf(entry) <= endMarker);
  return (end < 0 ? rest : rest.slice(0, end)).slice(0, limit);
}

function versionJson(entry: VersionListEntry): string {
  if (entry.name === undefined) return `{"subdir": ${jsonText(entry.prefix)}}`;
  const type = entry.isDeleteMarker ? deleteMarkerType : entry.contentType;
  const hash = entry.isDeleteMarker ? 'd41d8cd98f00b204e9800998ecf8427e' : entry.etag;
  const slo = entry.sloEtag === undefined ? '' : `, "slo_etag": "\\"${entry.sloEtag}\\""`;
  return `{"bytes": ${entry.size}, "hash": "${hash}", "name": ${jsonText(entry.name)}, "content_type": ${jsonText(type)}, "last_modified": "${isoTime(entry.modifiedUs)}"${slo}, "version_id": "${entry.versionId}", "is_latest": ${entry.isLatest}}`;
}
