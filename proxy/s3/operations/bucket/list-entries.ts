/** What both versions of ListObjects share: asking the service for a page and rendering its entries. */

import { afterPrefix } from '#common';
import type { Container, ListObjects, ObjectListEntry, Page } from '../../../objects/index.ts';
import { listedChecksum } from '../../checksum-headers.ts';
import type { S3Services } from '../../context.ts';
import type { ListPosition } from '../../continuation-token.ts';
import { listingDate } from '../../http-date.ts';
import { listedEtag } from '../../manifest-etag.ts';
import type { OwnerOf } from '../../owner-element.ts';
import { invalidArgument } from '../../s3-failure.ts';
import { uriEncode } from '../../sigv4/uri-encode.ts';
import { standardClass } from '../../storage-class.ts';
import { element, wrap } from '../../xml/write.ts';

export interface ListQuestion {
  readonly prefix: string;
  readonly delimiter: string;
  readonly limit: number;
  readonly start: ListPosition | undefined;
}

const emptyPage: Page<ObjectListEntry> = { entries: [], more: false };

export async function askPage(
  services: S3Services,
  container: Container,
  question: ListQuestion,
): Promise<Page<ObjectListEntry>> {
  const { prefix, delimiter, limit, start } = question;
  const from = start === undefined ? {} : startOf(start);
  if (limit === 0 || from === undefined) return emptyPage;
  const request: ListObjects = {
    limit,
    ...(prefix === '' ? {} : { prefix }),
    ...(delimiter === '' ? {} : { delimiter }),
    ...from,
  };
  return services.objects.containers.list(container, request);
}

/** Behind a collapsed prefix the listing goes on after everything under it; undefined when nothing can follow. */
function startOf(start: ListPosition): { marker: string } | { from: string } | undefined {
  if (start.collapsed !== true) return { marker: start.after };
  const from = afterPrefix(start.after);
  return from === undefined ? undefined : { from };
}

/** A marker that is itself a collapsed prefix of this listing stands for all names under it. */
export function positionOf(marker: string, prefix: string, delimiter: string): ListPosition {
  if (delimiter === '' || !marker.startsWith(prefix)) return { after: marker };
  const first = marker.indexOf(delimiter, prefix.length);
  return { after: marker, collapsed: first >= 0 && first + delimiter.length === marker.length };
}

/** The position after an entry. */
export function positionAfter(entry: ObjectListEntry): ListPosition {
  return entry.prefix === undefined
    ? { after: entry.name }
    : { after: entry.prefix, collapsed: true };
}

export type NameEncoder = (name: string) => string;

/** `encoding-type=url`, or names as they are. */
export function nameEncoder(query: ReadonlyMap<string, string>): NameEncoder {
  const encoding = query.get('encoding-type');
  if (encoding === undefined) return (name) => name;
  if (encoding !== 'url')
    throw invalidArgument(
      'encoding-type',
      encoding,
      'Invalid Encoding Method specified in Request',
    );
  return (name) => uriEncode(name, true);
}

/** What the first version shows of the prefix: as it was asked for, since clients do not decode it there; encoded where XML could not hold it. */
export function plainOrEncoded(text: string, encode: NameEncoder): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return /[\x00-\x08\x0b\x0c\x0d-\x1f\ufffe\uffff]/.test(text) ? encode(text) : text;
}

/** `allow-unordered` is an extension of Ceph's: our order is one of those it allows. With a delimiter it makes no sense. */
export function refuseUnordered(query: ReadonlyMap<string, string>, delimiter: string): void {
  if (query.get('allow-unordered') !== 'true' || delimiter === '') return;
  const why = 'A delimiter cannot be used with allow-unordered.';
  throw invalidArgument('allow-unordered', 'true', why);
}

export interface RenderedEntries {
  readonly contents: string;
  readonly commonPrefixes: string;
}

export function renderEntries(
  entries: readonly ObjectListEntry[],
  encode: NameEncoder,
  owner: OwnerOf,
): RenderedEntries {
  let contents = '';
  let commonPrefixes = '';
  for (const entry of entries) {
    if (entry.prefix !== undefined) {
      commonPrefixes += wrap('CommonPrefixes', element('Prefix', encode(entry.prefix)));
      continue;
    }
    contents += `<Contents>${element('Key', encode(entry.name))}<LastModified>${listingDate(entry.modifiedUs)}</LastModified><ETag>&quot;${listedEtag(entry)}&quot;</ETag>${listedChecksum(entry.checksums)}<Size>${entry.size}</Size>${owner(entry)}<StorageClass>${entry.storageClass ?? standardClass}</StorageClass></Contents>`;
  }
  return { contents, commonPrefixes };
}
