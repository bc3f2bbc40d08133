/** The JSON that a client puts as the manifest of a static large object: checked, and turned back for `format=raw`. Pure. */
import { Buffer } from 'node:buffer';
import type { ManifestSegment } from '../objects/index.ts';
import { htmlType, refusal } from './refusal.ts';

export const segmentsMax = 1_000;

/** A checked entry: another object, or inline data. */
export type WantedSegment =
  | {
      /** `container/object`. */
      readonly path: string;
      /** The path as the client wrote it, with a slash in front or without: so reports name it. */
      readonly given: string;
      readonly etag: string | undefined;
      readonly sizeBytes: number | undefined;
      readonly range: string | undefined;
      readonly data?: never;
    }
  | { readonly data: string; readonly path?: never };

const html = { 'Content-Type': htmlType };
const pathKeys = new Set(['path', 'etag', 'size_bytes', 'range']);
const dataKeys = new Set(['data']);
const base64Form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}={0,2}|[A-Za-z0-9+/]{3}=?)?$/;
export const segmentRangeForm = /^(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))$/;

/** Throws one refusal that names every problem. `own` is the manifest's own `container/object`. */
export function parseManifest(body: Buffer, own: string): readonly WantedSegment[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    throw refusal('bad-request', 'Manifest must be valid JSON.\n', html);
  }
  if (!Array.isArray(parsed)) throw refusal('bad-request', 'Manifest must be a list.\n', html);
  const problems: string[] = [];
  const segments: WantedSegment[] = [];
  for (const [index, entry] of parsed.entries()) {
    const checked = parseEntry(entry, own, index === parsed.length - 1);
    if (typeof checked === 'string') problems.push(`Index ${index}: ${checked}`);
    else segments.push(checked);
  }
  if (segments.length > 0 && segments.every((segment) => segment.data !== undefined))
    problems.push('Inline data segments require at least one object-backed segment.');
  if (problems.length > 0)
    throw refusal('bad-request', problems.map((problem) => `${problem}\n`).join(''));
  const backed = segments.filter((segment) => segment.path !== undefined).length;
  if (backed > segmentsMax)
    throw refusal('too-large', `Number of object-backed segments must be <= ${segmentsMax}`, html);
  return segments;
}

function parseEntry(entry: unknown, own: string, isLast: boolean): WantedSegment | string {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
    return 'not a JSON object';
  const values: Readonly<Record<string, unknown>> = { ...entry };
  const isData = Object.hasOwn(values, 'data');
  if (!isData && !Object.hasOwn(values, 'path'))
    return "expected keys to include one of 'data' or 'path'";
  const allowed = isData ? dataKeys : pathKeys;
  const extra = Object.keys(values).filter((key) => !allowed.has(key));
  if (extra.length > 0) {
    const names = extra.sort().map((key) => JSON.stringify(key));
    return `extraneous keys ${names.join(', ')}`;
  }
  return isData ? parseData(values.data) : parseReference(values, own, isLast);
}

function parseData(data: unknown): WantedSegment | string {
  if (typeof data !== 'string' || !base64Form.test(data)) return 'data must be valid base64';
  const bytes = Buffer.from(data, 'base64');
  if (bytes.length < 1) return 'too small; each segment must be at least 1 byte.';
  return { data: bytes.toString('base64') };
}

function parseReference(
  values: Readonly<Record<string, unknown>>,
  own: string,
  isLast: boolean,
): WantedSegment | string {
  const { path, etag = null, range = null } = values;
  if (typeof path !== 'string') return '"path" must be a string';
  if (etag !== null && typeof etag !== 'string')
    return '"etag" must be a string or null (if provided)';
  const name = path.replace(/^\/+/, '');
  const cut = name.indexOf('/');
  if (cut <= 0 || cut === name.length - 1)
    return 'path does not refer to an object. Path must be of the form /container/object.';
  const size = parseSize(values.size_bytes);
  if (size === 'invalid') return 'invalid size_bytes';
  if (size !== undefined && size < 1 && !isLast)
    return 'too small; each segment must be at least 1 byte.';
  if (name === own) return 'manifest must not include itself as a segment';
  if (range !== null && range !== '') {
    if (typeof range !== 'string') return 'invalid range';
    if (range.includes(',')) return 'multiple ranges (only one allowed)';
    if (!segmentRangeForm.test(range)) return 'invalid range';
    if (size !== undefined && resolveRange(range, size) === undefined) return 'unsatisfiable range';
  }
  return {
    path: name,
    given: path,
    etag: etag === null ? undefined : etag,
    sizeBytes: size,
    range: typeof range === 'string' && range !== '' ? range : undefined,
  };
}

function parseSize(value: unknown): number | undefined | 'invalid' {
  if (value === undefined || value === null) return undefined;
  const size = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof size === 'number' && Number.isSafeInteger(size) ? size : 'invalid';
}

/** What a range of the form means in so many bytes; undefined when nothing of it is there. */
export function resolveRange(
  range: string,
  size: number,
): { readonly first: number; readonly last: number } | undefined {
  const [, first, last, suffix] = segmentRangeForm.exec(range) ?? [];
  if (suffix !== undefined) {
    const count = Math.min(Number(suffix), size);
    return count <= 0 ? undefined : { first: size - count, last: size - 1 };
  }
  const from = Number(first);
  const to = last === undefined ? size - 1 : Math.min(Number(last), size - 1);
  return from >= size || to < from ? undefined : { first: from, last: to };
}

/** The stored manifest in the form it was put in. */
export function rawManifest(segments: readonly ManifestSegment[]): string {
  return JSON.stringify(
    segments.map((segment) =>
      segment.data !== undefined
        ? { data: segment.data }
        : {
            path: segment.name,
            etag: segment.hash,
            size_bytes: segment.bytes,
            ...(segment.range === undefined ? {} : { range: segment.range }),
          },
    ),
  );
}
