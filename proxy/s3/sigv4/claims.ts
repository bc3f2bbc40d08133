/** What both versions of signatures say about a request besides who signed it. */
import { type PayloadPlan, planPayload } from '../body/payload.ts';
import type { SignatureFacts } from '../context.ts';
import type { RequestHead } from '../request-head.ts';
import { S3Failure } from '../s3-failure.ts';
import { isoTime } from './request-time.ts';

/** A body that no signature covers, unless the request says its hash. */
export function anonymousPayload(head: RequestHead): PayloadPlan {
  return planPayload(head.headers.get('x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD', undefined);
}

export function factsOf(
  version: SignatureFacts['version'],
  kind: SignatureFacts['kind'],
  ageMs: number,
): SignatureFacts {
  return { version, kind, ageMs: Math.max(0, Math.floor(ageMs)) };
}

export interface Skew {
  readonly requestMs: number;
  readonly nowMs: number;
  readonly clockSkewMaxS: number;
}

export function checkSkew({ requestMs, nowMs, clockSkewMaxS }: Skew): void {
  if (Math.abs(nowMs - requestMs) <= clockSkewMaxS * 1000) return;
  throw new S3Failure('RequestTimeTooSkewed', {
    details: {
      RequestTime: isoTime(requestMs),
      ServerTime: isoTime(nowMs),
      MaxAllowedSkewMilliseconds: String(clockSkewMaxS * 1000),
    },
  });
}
