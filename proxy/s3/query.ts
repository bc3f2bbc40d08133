/** The query of a request, decoded: names and values as text, `+` as a space. */
import { S3Failure } from './s3-failure.ts';

const parametersMax = 100;
const none: ReadonlyMap<string, string> = new Map();

/** The first of repeated names wins. Bad percent-encoding and bad UTF-8 are refused. */
export function parseQuery(raw: string): ReadonlyMap<string, string> {
  if (raw === '') return none;
  const query = new Map<string, string>();
  for (const piece of raw.split('&')) {
    if (piece === '') continue;
    const equals = piece.indexOf('=');
    const name = decodeWord(equals < 0 ? piece : piece.slice(0, equals));
    const value = equals < 0 ? '' : decodeWord(piece.slice(equals + 1));
    if (!query.has(name)) query.set(name, value);
    if (query.size > parametersMax)
      throw new S3Failure('InvalidURI', { message: 'Too many query parameters.' });
  }
  return query;
}

function decodeWord(raw: string): string {
  return decodePercent(raw.includes('+') ? raw.replaceAll('+', ' ') : raw);
}

/** Percent-decoding to well-formed text; characters of `raw` are bytes. */
export function decodePercent(raw: string): string {
  if (/^[\x20-\x24\x26-\x7e]*$/.test(raw)) return raw;
  try {
    const ascii = raw.replace(/[\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`);
    return decodeURIComponent(ascii);
  } catch (cause) {
    throw new S3Failure('InvalidURI', { cause });
  }
}
