/** Signatures of chunks and trailers: each covers its bytes and the signature before it, back to the request's own. */
import { createHash, type Hash, hash, timingSafeEqual } from 'node:crypto';
import { S3Failure } from '../s3-failure.ts';
import type { SigningKey } from '../sigv4/signing-key.ts';

export interface ChunkSigning {
  readonly key: SigningKey;
  readonly amzDate: string;
  /** `DATE/REGION/s3/aws4_request`. */
  readonly scope: string;
  /** The request's signature. */
  readonly seed: string;
}

const emptyHash = hash('sha256', '');

const left = Buffer.alloc(64);
const right = Buffer.alloc(64);

export function equalSignatures(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  if (a.length !== left.length)
    return timingSafeEqual(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1'));
  left.write(a, 'latin1');
  right.write(b, 'latin1');
  return timingSafeEqual(left, right);
}

export class ChunkVerifier {
  private readonly signing: ChunkSigning;
  private previous: string;
  private digest: Hash | undefined;

  constructor(signing: ChunkSigning) {
    this.signing = signing;
    this.previous = signing.seed;
  }

  update(data: Buffer): void {
    this.digest ??= createHash('sha256');
    this.digest.update(data);
  }

  endChunk(signature: string): void {
    const dataHash = this.digest?.digest('hex') ?? emptyHash;
    this.digest = undefined;
    this.expect(signature, ['AWS4-HMAC-SHA256-PAYLOAD', emptyHash, dataHash]);
  }

  /** Takes the trailers as sent, `x-amz-trailer-signature` among them. */
  endTrailers(trailers: ReadonlyMap<string, string>): void {
    let canonical = '';
    for (const [name, value] of trailers)
      if (name !== 'x-amz-trailer-signature') canonical += `${name}:${value}\n`;
    const trailersHash = hash('sha256', Buffer.from(canonical, 'latin1'));
    this.expect(trailers.get('x-amz-trailer-signature') ?? '', [
      'AWS4-HMAC-SHA256-TRAILER',
      trailersHash,
    ]);
  }

  private expect(signature: string, parts: readonly [string, ...string[]]): void {
    const { key, amzDate, scope } = this.signing;
    const [kind, ...hashes] = parts;
    const text = [kind, amzDate, scope, this.previous, ...hashes].join('\n');
    const right = key.sign(text);
    if (!equalSignatures(right, signature)) throw new S3Failure('SignatureDoesNotMatch');
    this.previous = right;
  }
}
