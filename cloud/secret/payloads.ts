/** Types and encodings of payloads: what may be stored, what may be asked for. */
import { Buffer } from 'node:buffer';
import { invalid, secretFailure } from './failures.ts';

const text = 'text/plain';
const binary = ['application/octet-stream', 'application/pkcs8'];
const supported = [text, `${text};charset=utf-8`, `${text}; charset=utf-8`, ...binary];

/** `text/plain; charset=utf-8` is text; undefined for what is not taken. */
export function normalizedType(given: string): string | undefined {
  const [type = '', ...parameters] = given.split(';').map((part) => part.trim().toLowerCase());
  if (type === text && parameters.every((parameter) => parameter === 'charset=utf-8')) return text;
  return parameters.length === 0 && binary.includes(type) ? type : undefined;
}

export interface GivenPayload {
  readonly payload?: string;
  readonly payload_content_type?: string | null;
  readonly payload_content_encoding?: string;
}

export interface Payload {
  readonly bytes: Buffer;
  readonly contentType: string;
}

const mismatch = (why: string) => invalid(`Provided object does not match schema 'Secret': ${why}`);

/** What a JSON body brings; undefined when the payload is to follow by PUT. */
export function payloadOfBody(given: GivenPayload, bytesMax: number): Payload | undefined {
  const { payload_content_type: type, payload_content_encoding: encoding } = given;
  if (given.payload === undefined) {
    if (type !== undefined)
      throw mismatch(
        "payload must be provided when payload_content_type is specified. Invalid property: 'payload'",
      );
    return undefined;
  }
  if (type === undefined || type === null)
    throw mismatch(
      "If 'payload' is supplied, 'payload_content_type' must also be supplied. Invalid property: 'payload_content_type'",
    );
  const contentType = normalizedType(type);
  if (contentType === undefined)
    throw mismatch(
      `payload_content_type is not one of ${supported.join(', ')}. Invalid property: 'payload_content_type'`,
    );
  if ((contentType === text) !== (encoding === undefined))
    throw mismatch(
      `payload_content_encoding is not one of ${contentType === text ? 'None' : 'base64'}. Invalid property: 'payload_content_encoding'`,
    );
  refuseLarge(Buffer.byteLength(given.payload), bytesMax);
  const trimmed = given.payload.trim();
  if (trimmed === '')
    throw mismatch("If 'payload' specified, must be non empty. Invalid property: 'payload'");
  if (contentType === text) return { bytes: Buffer.from(trimmed), contentType };
  return { bytes: fromBase64(trimmed), contentType };
}

/** What a PUT brings. */
export function payloadOfBytes(
  body: Buffer,
  headers: { readonly type: string; readonly encoding: string | undefined },
  bytesMax: number,
): Payload {
  if (body.length === 0) throw invalid('Secret update issue seen - No data supplied to process..');
  refuseLarge(body.length, bytesMax);
  const contentType = normalizedType(headers.type);
  if (contentType === undefined)
    throw invalid(
      `Secret update issue seen - A Content-Type of '${headers.type.slice(0, 64)}' for secrets is not supported.`,
    );
  const encoding = headers.encoding?.toLowerCase();
  if (contentType === text || encoding === undefined || encoding === 'binary')
    return { bytes: body, contentType };
  if (encoding === 'base64') return { bytes: fromBase64(body.toString('latin1')), contentType };
  throw invalid(
    "Secret update issue seen - Text-based binary secret payloads must specify a content-encoding of 'base64'.",
  );
}

export function refuseLarge(bytes: number, bytesMax: number): void {
  if (bytes > bytesMax) throw secretFailure('body-too-large');
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function fromBase64(given: string): Buffer {
  const packed = given.replaceAll(/\s/g, '');
  if (packed === '' || !base64.test(packed))
    throw mismatch("Invalid payload for payload_content_encoding. Invalid property: 'payload'");
  return Buffer.from(packed, 'base64');
}

/** The type to answer with, or a refusal: text that is not UTF-8 cannot be shown as text. */
export function answerType(
  accept: string | undefined,
  stored: { readonly contentType: string; readonly bytes: Buffer },
): string {
  if (accept === undefined || accept === '') return 'application/octet-stream';
  if (accept === '*/*') return stored.contentType;
  const wanted = normalizedType(accept);
  if (wanted === undefined) throw notAcceptable();
  if (wanted === text && !isUtf8(stored.bytes)) throw notAcceptable();
  return accept;
}

const notAcceptable = () =>
  secretFailure('not-acceptable', {
    why: 'Secret payload retrieval issue seen - Wrong payload content-type.',
  });

function isUtf8(bytes: Buffer): boolean {
  return Buffer.from(bytes.toString('utf8'), 'utf8').equals(bytes);
}
