/** How the body of a request is vouched for, as `x-amz-content-sha256` says. */

import { invalidArgument, S3Failure } from '../s3-failure.ts';
import type { ChunkSigning } from './chunk-signature.ts';

export type PayloadPlan =
  | { readonly kind: 'unsigned' }
  /** The whole body's hash is part of the signature. */
  | { readonly kind: 'sha256'; readonly hash: string }
  /** `aws-chunked` framing, its chunks signed or not, with trailers or without. */
  | { readonly kind: 'chunked'; readonly trailers: boolean; readonly signing?: ChunkSigning };

const streaming: Readonly<
  Record<string, { readonly trailers: boolean; readonly signed: boolean }>
> = {
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD': { trailers: false, signed: true },
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER': { trailers: true, signed: true },
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER': { trailers: true, signed: false },
};

/** `signing` is what chunk signatures chain from; absent where the request itself carries no header signature. */
export function planPayload(contentSha256: string, signing: ChunkSigning | undefined): PayloadPlan {
  if (contentSha256 === 'UNSIGNED-PAYLOAD') return { kind: 'unsigned' };
  if (/^[0-9a-fA-F]{64}$/.test(contentSha256))
    return { kind: 'sha256', hash: contentSha256.toLowerCase() };
  const mode = Object.hasOwn(streaming, contentSha256) ? streaming[contentSha256] : undefined;
  if (mode === undefined) {
    if (contentSha256.startsWith('STREAMING-AWS4-ECDSA'))
      throw new S3Failure('NotImplemented', {
        message: 'Signature version 4A is not implemented.',
      });
    throw invalidArgument(
      'x-amz-content-sha256',
      contentSha256,
      'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
    );
  }
  if (!mode.signed) return { kind: 'chunked', trailers: mode.trailers };
  if (signing === undefined)
    throw new S3Failure('AccessDenied', { message: 'Signed chunks need a signed request.' });
  return { kind: 'chunked', trailers: mode.trailers, signing };
}
