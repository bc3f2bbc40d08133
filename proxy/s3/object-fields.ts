/** What travels in headers and is kept with an object: content type, standard headers, user metadata. */
import type { Fields, ObjectFields, ObjectInfo } from '../objects/index.ts';
import type { RequestHead } from './request-head.ts';
import { S3Failure } from './s3-failure.ts';

const keptHeaders = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
] as const;

export const defaultContentType = 'binary/octet-stream';
const metadataPrefix = 'x-amz-meta-';
const metadataBytesMax = 2048;

/** The fields that a writing request gives an object. */
export function parseFields(head: RequestHead): ObjectFields {
  const headers: Record<string, string> = {};
  for (const name of keptHeaders) {
    const value = head.headers.get(name);
    if (value !== undefined && value !== '') headers[name] = textOf(value);
  }
  const encoding = headers['content-encoding'];
  if (encoding !== undefined) {
    const kept = withoutChunked(encoding);
    if (kept === '') delete headers['content-encoding'];
    else headers['content-encoding'] = kept;
  }
  const contentType = head.headers.get('content-type');
  return {
    contentType:
      contentType === undefined || contentType === '' ? defaultContentType : textOf(contentType),
    headers,
    metadata: parseMetadata(head),
  };
}

/** `aws-chunked` is how the body travelled, not what it is. Everything else stays as it was said. */
function withoutChunked(encoding: string): string {
  if (!/\baws-chunked\b/i.test(encoding)) return encoding;
  const codings = encoding.split(',').map((coding) => coding.trim());
  return codings
    .filter((coding) => coding !== '' && coding.toLowerCase() !== 'aws-chunked')
    .join(', ');
}

function parseMetadata(head: RequestHead): Fields {
  const metadata: Record<string, string> = {};
  let size = 0;
  for (const [header, value] of head.headers) {
    if (!header.startsWith(metadataPrefix)) continue;
    const name = header.slice(metadataPrefix.length);
    if (name === '' || name === '__proto__') continue;
    size += name.length + value.length;
    metadata[name] = textOf(value.trim());
  }
  if (size > metadataBytesMax)
    throw new S3Failure('MetadataTooLarge', {
      details: { Size: String(size), MaxSizeAllowed: String(metadataBytesMax) },
    });
  return metadata;
}

/** The headers that describe an object in a response, without its length. */
export function renderFields(info: ObjectInfo): Record<string, string> {
  const headers: Record<string, string> = {
    etag: `"${info.etag}"`,
    'content-type': bytesOf(info.contentType),
  };
  for (const name of keptHeaders) {
    const value = info.headers[name];
    if (value !== undefined) headers[name] = bytesOf(value);
  }
  for (const name in info.metadata)
    headers[metadataPrefix + name] = bytesOf(info.metadata[name] ?? '');
  return headers;
}

const ascii = /^[\x20-\x7e\t]*$/;

/** Header bytes (latin1) as text: UTF-8 where they are, else one character a byte. */
export function textOf(raw: string): string {
  if (ascii.test(raw)) return raw;
  const bytes = Buffer.from(raw, 'latin1');
  const text = bytes.toString('utf8');
  return text.includes('\ufffd') ? raw : text;
}

/** Text as header bytes (latin1 of its UTF-8); control characters cannot travel in a header and become spaces. */
export function bytesOf(text: string): string {
  if (ascii.test(text)) return text;
  const bytes = Buffer.from(text, 'utf8').toString('latin1');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return bytes.replace(/[\x00-\x08\x0a-\x1f\x7f]/g, ' ');
}
