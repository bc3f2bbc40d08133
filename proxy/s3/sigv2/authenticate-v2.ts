/** Who signed a request by version 2: in the query, or in the `Authorization` header. */
import { virtualBucket } from '../address.ts';
import { equalSignatures } from '../body/chunk-signature.ts';
import type { Caller } from '../context.ts';
import { withHoistedHeaders } from '../hoisted-headers.ts';
import type { RequestHead } from '../request-head.ts';
import { S3Failure } from '../s3-failure.ts';
import type { Authenticated, AuthenticateOptions } from '../sigv4/authenticate.ts';
import { anonymousPayload, checkSkew, factsOf } from '../sigv4/claims.ts';
import { findKey } from '../sigv4/find-key.ts';
import { isoTime, parseAmzDate, parseHttpDate } from '../sigv4/request-time.ts';
import { hasEmptySubresource, parseV2Claim, signV2, stringToSignV2 } from './signature-v2.ts';

/** The last second that S3 takes: in 2038. */
const expiresSMax = 2 ** 31 - 1;

/** A presigned request of version 2: nothing tells the region, and the body is unsigned. */
export async function authenticateV2(
  head: RequestHead,
  query: ReadonlyMap<string, string>,
  options: AuthenticateOptions,
): Promise<Authenticated> {
  const claim = parseV2Claim(query);
  if (claim === undefined) throw new S3Failure('AccessDenied');
  const nowMs = options.clock.nowUs() / 1000;
  if (claim.expiresS > expiresSMax)
    throw new S3Failure('AccessDenied', {
      message: 'Invalid date (should be seconds since epoch)',
    });
  if (nowMs > claim.expiresS * 1000)
    throw new S3Failure('AccessDenied', {
      message: 'Request has expired',
      details: { Expires: isoTime(claim.expiresS * 1000), ServerTime: isoTime(nowMs) },
    });
  const hoisted = withHoistedHeaders(head, query);
  const token = query.get('x-amz-security-token');
  const headers = new Map(hoisted.headers);
  if (token !== undefined) headers.set('x-amz-security-token', token);
  // Presigners of this version put these two there as well, by their lower-case names.
  for (const name of ['content-md5', 'content-type']) {
    const value = query.get(name);
    if (value !== undefined && !headers.has(name)) headers.set(name, value);
  }
  const signed = { ...hoisted, headers };
  const caller = await proveV2(signed, claim, { date: String(claim.expiresS), options });
  const ageMs = Math.max(0, nowMs - claim.expiresS * 1000);
  return {
    caller,
    payload: anonymousPayload(head),
    head: signed,
    signature: factsOf('AWS', 'REST-QUERY-STRING', ageMs),
  };
}

/** `Authorization: AWS KEY:SIGNATURE`, of the tools that never learnt better. */
export async function authenticateV2Header(
  head: RequestHead,
  authorization: string,
  options: AuthenticateOptions,
): Promise<Authenticated> {
  const [, accessKey = '', signature = ''] =
    /^AWS ([^:]{1,128}):(\S{28})$/.exec(authorization) ?? [];
  if (accessKey === '')
    throw new S3Failure('InvalidArgument', {
      message: 'AWS authorization header is invalid.  Expected AwsAccessKeyId:signature',
      details: { ArgumentName: 'Authorization', ArgumentValue: authorization.slice(0, 200) },
    });
  const amzDate = head.headers.get('x-amz-date');
  const date = head.headers.get('date') ?? '';
  const text = amzDate ?? date;
  const ms = parseHttpDate(text) ?? parseAmzDate(text);
  if (ms === undefined)
    throw new S3Failure('AccessDenied', {
      message: 'AWS authentication requires a valid Date or x-amz-date header',
    });
  const nowMs = options.clock.nowUs() / 1000;
  checkSkew({ requestMs: ms, nowMs, clockSkewMaxS: options.clockSkewMaxS });
  const line = amzDate === undefined ? date : '';
  const caller = await proveV2(head, { accessKey, signature }, { date: line, options });
  return {
    caller,
    payload: anonymousPayload(head),
    head,
    signature: factsOf('AWS', 'REST-HEADER', nowMs - ms),
  };
}

async function proveV2(
  head: RequestHead,
  { accessKey, signature }: { readonly accessKey: string; readonly signature: string },
  { date, options }: { readonly date: string; readonly options: AuthenticateOptions },
): Promise<Caller> {
  const known = await findKey(accessKey, head.headers.get('x-amz-security-token'), options);
  const bucket = virtualBucket(head.headers.get('host') ?? '', options.baseDomains);
  const forms = hasEmptySubresource(head.query) ? [false, true] : [false];
  const texts = forms.map((bareWhenEmpty) =>
    stringToSignV2(head, date, { virtualBucket: bucket, bareWhenEmpty }),
  );
  if (!texts.some((text) => equalSignatures(signV2(known.secret, text), signature)))
    throw new S3Failure('SignatureDoesNotMatch', {
      details: { AWSAccessKeyId: accessKey, StringToSign: texts[0] ?? '' },
    });
  return known.caller;
}
