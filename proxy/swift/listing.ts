/** Listings: parameters in, text, JSON or XML out. */
import { Buffer } from 'node:buffer';
import type { Exchange, Reply } from '../exchange.ts';
import {
  type Container,
  type ContainerListEntry,
  type Fields,
  linkBytesField,
  linkEtagField,
  linkTarget,
  type ObjectListEntry,
  type ObjectSummary,
} from '../objects/index.ts';
import { locationOf } from './object-path.ts';
import { htmlType, refusal } from './refusal.ts';
import type { Query } from './swift-path.ts';
import { isoTime, isTrue, jsonText } from './text.ts';

export const listingMax = 10_000;

export interface ListingRange {
  readonly prefix?: string;
  readonly delimiter?: string;
  readonly marker?: string;
  readonly endMarker?: string;
  readonly reverse?: boolean;
  readonly limit: number;
}

export type ListingFormat = 'text/plain' | 'application/json' | 'application/xml' | 'text/xml';

export function readRange(query: Query): ListingRange {
  const path = query.get('path');
  const prefix = path === undefined ? query.get('prefix') : path === '' ? '' : `${trimEnd(path)}/`;
  const delimiter = path === undefined ? query.get('delimiter') : '/';
  const marker = query.get('marker');
  const endMarker = query.get('end_marker');
  return {
    limit: readLimit(query.get('limit')),
    ...(prefix ? { prefix } : {}),
    ...(delimiter ? { delimiter } : {}),
    ...(marker ? { marker } : {}),
    ...(endMarker ? { endMarker } : {}),
    ...(isTrue(query.get('reverse')) ? { reverse: true } : {}),
  };
}

function trimEnd(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === '/') end -= 1;
  return path.slice(0, end);
}

function readLimit(text: string | undefined): number {
  if (text === undefined || !/^\d+$/.test(text)) return listingMax;
  const limit = Number(text);
  if (limit > listingMax)
    throw refusal('precondition-failed', `Maximum limit is ${listingMax}`, {
      'Content-Type': htmlType,
    });
  return limit;
}

const formats: Readonly<Record<string, ListingFormat>> = {
  plain: 'text/plain',
  json: 'application/json',
  xml: 'application/xml',
};
const offered: readonly ListingFormat[] = [
  'text/plain',
  'application/json',
  'application/xml',
  'text/xml',
];

/** `format=` decides, or else the best of `Accept`. */
export function readFormat(exchange: Exchange, query: Query): ListingFormat {
  const format = query.get('format');
  if (format !== undefined) return formats[format.toLowerCase()] ?? 'text/plain';
  const { accept } = exchange.headers;
  const best = accept === undefined ? 'text/plain' : bestOf(accept, offered);
  if (best === undefined) throw refusal('not-acceptable');
  return best;
}

const acceptEntriesMax = 32;

/** The first offer of the highest quality; hand-written and linear, since this header has been used to stall servers. */
export function bestOf<T extends string>(accept: string, offers: readonly T[]): T | undefined {
  let best: T | undefined;
  let bestQuality = 0;
  const entries = accept.split(',', acceptEntriesMax).map((entry) => {
    const [type = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith('q='));
    const quality = q === undefined ? 1 : Number(q.slice(2));
    return { type, quality: Number.isFinite(quality) ? quality : 0 };
  });
  for (const offer of offers) {
    const group = `${offer.slice(0, offer.indexOf('/'))}/*`;
    const match =
      entries.find((entry) => entry.type === offer) ??
      entries.find((entry) => entry.type === group) ??
      entries.find((entry) => entry.type === '*/*' || entry.type === '');
    if (match !== undefined && match.quality > bestQuality) {
      best = offer;
      bestQuality = match.quality;
    }
  }
  return best;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

export function xmlText(text: string): string {
  return text.replace(/[&<>"]/g, (mark) => entities[mark] ?? mark);
}

function objectJson(
  entry: ObjectListEntry,
  container: Pick<Container, 'account' | 'name'>,
): string {
  if (entry.name === undefined) return `{"subdir": ${jsonText(entry.prefix)}}`;
  const slo = entry.sloEtag === undefined ? '' : `, "slo_etag": "\\"${entry.sloEtag}\\""`;
  const link = entry.link === undefined ? '' : linkJson(entry.link, container.account);
  const version = entry.versionId === undefined ? '' : versionJson(entry, container);
  return `{"bytes": ${entry.size}, "hash": "${entry.etag}", "name": ${jsonText(entry.name)}, "content_type": ${jsonText(entry.contentType)}, "last_modified": "${isoTime(entry.modifiedUs)}"${slo}${link}${version}}`;
}

/** Where versions are kept, a name stands for its newest one. */
function versionJson(
  { name, versionId }: Pick<ObjectSummary, 'name' | 'versionId'>,
  container: Pick<Container, 'account' | 'name'>,
): string {
  const place = locationOf({ account: container.account, container: container.name, object: name });
  return `, "symlink_path": ${jsonText(`${place}?version-id=${versionId}`)}, "version_symlink": true`;
}

function linkJson(system: Fields, account: string): string {
  const target = linkTarget(system, account);
  const etag = system[linkEtagField];
  const sloEtag = system['slo-etag'];
  const slo = sloEtag === undefined ? '' : `, "slo_etag": "\\"${sloEtag}\\""`;
  const path = target === undefined ? '' : locationOf(target);
  const fixed =
    etag === undefined
      ? ''
      : `, "symlink_etag": ${jsonText(etag)}, "symlink_bytes": ${Number(system[linkBytesField])}`;
  return `${slo}, "symlink_path": ${jsonText(path)}${fixed}`;
}

function objectXml(entry: ObjectListEntry): string {
  if (entry.name === undefined) {
    const prefix = xmlText(entry.prefix);
    return `<subdir name="${prefix}"><name>${prefix}</name></subdir>`;
  }
  return `<object><name>${xmlText(entry.name)}</name><hash>${entry.etag}</hash><bytes>${entry.size}</bytes><content_type>${xmlText(entry.contentType)}</content_type><last_modified>${isoTime(entry.modifiedUs)}</last_modified></object>`;
}

interface Frame {
  readonly open: string;
  readonly separator: string;
  readonly close: string;
}

const jsonFrame: Frame = { open: '[', separator: ', ', close: ']' };
const textFrame: Frame = { open: '', separator: '', close: '' };
const entriesAtOnce = 64;

/** Rendered some entries at a time: making one string of 10,000 flat costs twice as much. */
function renderBytes<T>(entries: readonly T[], render: (entry: T) => string, frame: Frame): Buffer {
  const pieces: Buffer[] = [Buffer.from(frame.open)];
  for (let at = 0; at < entries.length; at += entriesAtOnce) {
    let piece = '';
    const end = Math.min(entries.length, at + entriesAtOnce);
    for (let n = at; n < end; n++) {
      const entry = entries[n];
      if (entry === undefined) continue;
      piece += n === 0 ? render(entry) : frame.separator + render(entry);
    }
    pieces.push(Buffer.from(piece));
  }
  pieces.push(Buffer.from(frame.close));
  return Buffer.concat(pieces);
}

function lineOf(entry: { readonly name?: string; readonly prefix?: string }): string {
  return `${entry.name ?? entry.prefix}\n`;
}

const xmlHead = '<?xml version="1.0" encoding="UTF-8"?>\n';

export function renderObjects(
  format: ListingFormat,
  container: Pick<Container, 'account' | 'name'>,
  entries: readonly ObjectListEntry[],
): Buffer {
  if (format === 'application/json')
    return renderBytes(entries, (entry) => objectJson(entry, container), jsonFrame);
  if (format === 'text/plain') return renderBytes(entries, lineOf, textFrame);
  const open = `${xmlHead}<container name="${xmlText(container.name)}">`;
  return renderBytes(entries, objectXml, { open, separator: '', close: '</container>' });
}

function containerJson(entry: ContainerListEntry): string {
  if (entry.name === undefined) return `{"subdir": ${jsonText(entry.prefix)}}`;
  return `{"name": ${jsonText(entry.name)}, "count": ${entry.objects}, "bytes": ${entry.bytes}, "last_modified": "${isoTime(entry.modifiedUs)}"}`;
}

function containerXml(entry: ContainerListEntry): string {
  if (entry.name === undefined) return `<subdir name="${xmlText(entry.prefix)}" />\n`;
  return `<container><name>${xmlText(entry.name)}</name><count>${entry.objects}</count><bytes>${entry.bytes}</bytes><last_modified>${isoTime(entry.modifiedUs)}</last_modified></container>\n`;
}

export function renderContainers(
  format: ListingFormat,
  account: string,
  entries: readonly ContainerListEntry[],
): Buffer {
  if (format === 'application/json') return renderBytes(entries, containerJson, jsonFrame);
  if (format === 'text/plain') return renderBytes(entries, lineOf, textFrame);
  const open = `${xmlHead}<account name="${xmlText(account)}">\n`;
  return renderBytes(entries, containerXml, { open, separator: '', close: '</account>' });
}

/** 204 for an empty text listing, 200 otherwise. */
export function listingReply(
  format: ListingFormat,
  body: Buffer,
  headers: Record<string, string | number>,
): Reply {
  const status = format === 'text/plain' && body.length === 0 ? 204 : 200;
  return {
    status,
    headers: { ...headers, 'Content-Type': `${format}; charset=utf-8`, Vary: 'Accept' },
    body,
  };
}
