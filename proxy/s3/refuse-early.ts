/** What a client is told when its request was refused before the dialect saw it: too many in flight, too many headers. */
import { type Random, randomHex } from '#common';
import type { Reply } from '../exchange.ts';
import { errorTable, type S3Code } from './error-table.ts';
import { errorDocument, retryLater } from './render-error.ts';

function codeOf(status: number): S3Code {
  if (status === 503 || status === 429) return 'SlowDown';
  if (status === 405) return 'MethodNotAllowed';
  if (status === 408) return 'RequestTimeout';
  if (status === 431) return 'RequestHeaderSectionTooLarge';
  return status >= 500 ? 'InternalError' : 'BadRequest';
}

/** For the pipeline's `refuse`. */
export function createS3Refusal(
  random: Random,
): (status: number, reason: string) => Promise<Reply> {
  return async (status, reason) => {
    const requestId = randomHex(random, 8).toUpperCase();
    const hostId = random.bytes(24).toString('base64');
    const code = codeOf(status);
    const entry = errorTable[code];
    const message = code === 'BadRequest' ? reason : entry.message;
    const error = { code, status, message, details: {}, headers: {} };
    return {
      status,
      headers: {
        'content-type': 'application/xml',
        'x-amz-request-id': requestId,
        'x-amz-id-2': hostId,
        ...(code === 'SlowDown' ? retryLater : {}),
      },
      body: errorDocument(error, { resource: '', requestId, hostId }),
    };
  };
}
