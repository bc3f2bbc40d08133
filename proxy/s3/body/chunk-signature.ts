/** Signatures of chunks and trailers: each covers its bytes and the signature before it, back to the request's own. */
import { createHash, type Hash, hash, type KeyObject, timingSafeEqual } from 'node:crypto';
import { S3Failure } from '../s3-failure.ts';
import { sign } from '../sigv4/signing-key.ts';

export interface ChunkSigning {
  readonly key: KeyObject;
  readonly amzDate: string;
  /** `DATE/REGION/s3/aws4_request`. */
  readonly scope: string;
  /** The request's signature. */
  readonly seed: string;
}

const emptyHash = hash('sha256', '');

export function equalSignatures(a: string, b: string): boolean {
  return (
    a.length === b.length && timingSafeEqual(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1'))
  );
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
    const right = sign(key, text);
    if (!equalSignatures(right, signature)) throw new S3Failure('SignatureDoesNotMatch');
    this.previous = right;
  }
}
