/** The additional checksum that a request declares: its value in a header, or only its name, the value to come in a trailer. */
import type { RequestHead } from '../request-head.ts';
import { S3Failure } from '../s3-failure.ts';
import {
  type ChecksumAlgorithm,
  checksumAlgorithms,
  checksumBytes,
  isChecksumAlgorithm,
} from './checksum-algorithms.ts';

export interface DeclaredChecksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Base64; undefined when it comes in a trailer. */
  readonly value: string | undefined;
}

export function headerOf(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm}`;
}

export function declaredChecksum(
  head: RequestHead,
  hasTrailers: boolean,
): DeclaredChecksum | undefined {
  const inHeader = checksumAlgorithms.filter((name) => head.headers.has(headerOf(name)));
  const trailer = trailerAlgorithm(head, hasTrailers);
  if (inHeader.length + (trailer === undefined ? 0 : 1) > 1)
    throw new S3Failure('InvalidRequest', {
      message:
        'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    });
  const algorithm = inHeader[0] ?? trailer;
  if (algorithm === undefined) refuseUnknown(head);
  checkNamed(head, algorithm);
  if (algorithm === undefined) return undefined;
  const value = head.headers.get(headerOf(algorithm));
  return { algorithm, value: value === undefined ? undefined : checkedValue(algorithm, value) };
}

const otherHeaders: ReadonlySet<string> = new Set([
  ...['x-amz-checksum-mode', 'x-amz-checksum-algorithm', 'x-amz-checksum-type'],
]);

/** The checksum of an algorithm that is none of ours is not taken for no checksum. */
function refuseUnknown({ headers }: RequestHead): void {
  for (const name of headers.keys())
    if (name.startsWith('x-amz-checksum-') && !otherHeaders.has(name))
      throw new S3Failure('InvalidRequest', {
        message: 'The algorithm type you specified in x-amz-checksum- header is invalid.',
      });
}

export function checkedValue(
  algorithm: ChecksumAlgorithm,
  value: string,
  where = 'header',
): string {
  const raw = Buffer.from(value, 'base64');
  if (raw.length !== checksumBytes[algorithm] || raw.toString('base64') !== value)
    throw new S3Failure('InvalidRequest', {
      message: `Value for ${headerOf(algorithm)} ${where} is invalid.`,
    });
  return value;
}

/** Names of `x-amz-checksum-algorithm` and the like, in any case; undefined for none. */
export function namedAlgorithm(word: string | undefined): ChecksumAlgorithm | undefined {
  if (word === undefined) return undefined;
  const name = word.toLowerCase();
  if (isChecksumAlgorithm(name)) return name;
  throw new S3Failure('InvalidRequest', {
    message:
      'Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
  });
}

function trailerAlgorithm(head: RequestHead, hasTrailers: boolean): ChecksumAlgorithm | undefined {
  const names = head.headers.get('x-amz-trailer');
  if (names === undefined) return undefined;
  const prefix = 'x-amz-checksum-';
  const name = names.trim().toLowerCase();
  const algorithm = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  if (!hasTrailers || !isChecksumAlgorithm(algorithm))
    throw new S3Failure('InvalidRequest', {
      message: 'The value specified in the x-amz-trailer header is not supported',
    });
  return algorithm;
}

/** An SDK that names an algorithm and sends no checksum has lost it on the way. */
function checkNamed(head: RequestHead, found: ChecksumAlgorithm | undefined): void {
  const word = head.headers.get('x-amz-sdk-checksum-algorithm')?.toLowerCase();
  if (word === undefined || word === found) return;
  throw new S3Failure('InvalidRequest', {
    message:
      found === undefined && isChecksumAlgorithm(word)
        ? 'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.'
        : 'Value for x-amz-sdk-checksum-algorithm header is invalid.',
  });
}
