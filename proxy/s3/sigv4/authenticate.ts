/**
 * Who signed a request (signature version 4, in the Authorization header or in a presigned query).
 *
 * 1. Read what the request claims: key, scope, signed headers, signature.
 * 2. Its time must agree with the scope's day and be near ours, or within a presigned URL's life.
 * 3. Every `x-amz-*` header must be among the signed ones, so that nobody adds meaning on the way.
 * 4. Look the secret up, sign the canonical request ourselves, compare in constant time.
 */
import { hash } from 'node:crypto';
import type { Clock } from '#common';
import { equalSignatures } from '../body/chunk-signature.ts';
import { type PayloadPlan, planPayload } from '../body/payload.ts';
import type { Caller, SignatureFacts } from '../context.ts';
import { withHoistedHeaders } from '../hoisted-headers.ts';
import type { RequestHead } from '../request-head.ts';
import { S3Failure } from '../s3-failure.ts';
import { authenticateV2, authenticateV2Header } from '../sigv2/authenticate-v2.ts';
import { canonicalRequest } from './canonical-request.ts';
import { anonymousPayload, checkSkew, factsOf } from './claims.ts';
import type { PresignedClaim, SignatureClaim } from './credential.ts';
import {
  type CredentialScope,
  parseAuthorization,
  parsePresigned,
  splitAuthorization,
} from './credential.ts';
import { findKey, type KeySources } from './find-key.ts';
import { amzDateOf, isoTime, parseAmzDate, parseHttpDate } from './request-time.ts';
import type { ProvenClaim, SigningKey, SigningKeys } from './signing-key.ts';

export interface AuthenticateOptions extends KeySources {
  readonly clock: Clock;
  readonly keys: SigningKeys;
  readonly clockSkewMaxS: number;
  /** Empty accepts every region. */
  readonly region: string;
  /** See `addressOf`. */
  readonly baseDomains: readonly string[];
}

export interface Authenticated {
  /** Undefined for a request that claims nothing. */
  readonly caller: Caller | undefined;
  readonly payload: PayloadPlan;
  readonly signature: SignatureFacts | undefined;
  /** The head to go by: with the headers that a presigner moved into the query. */
  readonly head: RequestHead;
}

export async function authenticate(
  head: RequestHead,
  query: ReadonlyMap<string, string>,
  options: AuthenticateOptions,
): Promise<Authenticated> {
  // An empty header claims nothing.
  const authorization = head.headers.get('authorization') || undefined;
  const presigned = query.has('X-Amz-Signature') || query.has('X-Amz-Algorithm');
  if (authorization !== undefined) {
    if (presigned)
      throw new S3Failure('InvalidArgument', {
        message:
          'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
        details: { ArgumentName: 'Authorization', ArgumentValue: '' },
      });
    if (authorization.startsWith('AWS ')) return authenticateV2Header(head, authorization, options);
    return authenticateHeader(head, authorization, options);
  }
  if (presigned) return authenticatePresigned(head, query, options);
  if (query.has('Signature') && query.has('AWSAccessKeyId'))
    return authenticateV2(head, query, options);
  return { caller: undefined, payload: anonymousPayload(head), head, signature: undefined };
}

async function authenticateHeader(
  head: RequestHead,
  authorization: string,
  options: AuthenticateOptions,
): Promise<Authenticated> {
  const { claim, proven, beginning } = readClaim(authorization, options.keys);
  const contentSha256 = head.headers.get('x-amz-content-sha256');
  if (contentSha256 === undefined)
    throw new S3Failure('InvalidRequest', {
      message: 'Missing required header for this request: x-amz-content-sha256',
    });
  const { ms, amzDate } = headerTime(head);
  const nowMs = options.clock.nowUs() / 1000;
  checkSkew({ requestMs: ms, nowMs, clockSkewMaxS: options.clockSkewMaxS });
  if (!amzDate.startsWith(claim.credential.date))
    throw new S3Failure('AuthorizationHeaderMalformed', {
      message:
        'The authorization header is malformed; Invalid credential date. Date is not the same as X-Amz-Date.',
    });
  checkScope(claim.credential, options.region);
  checkAmzHeadersSigned(head, claim.signedHeaders);
  const token = head.headers.get('x-amz-security-token');
  const found = findKey(claim.credential.accessKey, token, options);
  const { secret, caller } = found instanceof Promise ? await found : found;
  const key = proven?.secret === secret ? proven.key : options.keys.get(claim.credential, secret);
  prove(head, { claim, amzDate, payloadHash: contentSha256, key });
  if (proven?.key !== key && beginning !== undefined)
    options.keys.rememberProven(beginning, { claim, secret, key });
  return {
    caller,
    payload: planPayload(contentSha256, {
      ...{ key, amzDate, scope: claim.scope, seed: claim.signature },
    }),
    head,
    signature: factsOf('AWS4-HMAC-SHA256', 'REST-HEADER', nowMs - ms),
  };
}

interface ReadClaim {
  readonly claim: SignatureClaim;
  /** What is remembered of requests that began alike. */
  readonly proven?: ProvenClaim | undefined;
  readonly beginning?: string;
}

function readClaim(authorization: string, keys: SigningKeys): ReadClaim {
  const split = splitAuthorization(authorization);
  if (split === undefined) return { claim: parseAuthorization(authorization) };
  const { beginning, signature } = split;
  const proven = keys.findProven(beginning);
  if (proven === undefined) return { claim: parseAuthorization(authorization), beginning };
  return { claim: { ...proven.claim, signature }, proven, beginning };
}

async function authenticatePresigned(
  head: RequestHead,
  query: ReadonlyMap<string, string>,
  options: AuthenticateOptions,
): Promise<Authenticated> {
  const claim = parsePresigned(query);
  checkPresignedTime(claim, options);
  checkScope(claim.credential, options.region);
  checkAmzHeadersSigned(head, claim.signedHeaders);
  const payloadHash =
    claim.payloadHash ?? head.headers.get('x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD';
  const token = head.headers.get('x-amz-security-token') ?? query.get('X-Amz-Security-Token');
  const { secret, caller } = await findKey(claim.credential.accessKey, token, options);
  const key = options.keys.get(claim.credential, secret);
  const { amzDate } = claim;
  prove(head, { claim, amzDate, payloadHash, withoutQuery: 'X-Amz-Signature', key });
  const signing = { key, amzDate, scope: claim.scope, seed: claim.signature };
  const payload = planPayload(payloadHash, signing);
  const ageMs = options.clock.nowUs() / 1000 - (parseAmzDate(claim.amzDate) ?? 0);
  return {
    caller,
    payload,
    head: withHoistedHeaders(head, query),
    signature: factsOf('AWS4-HMAC-SHA256', 'REST-QUERY-STRING', ageMs),
  };
}

/** `x-amz-date`, or else `date`. */
function headerTime(head: RequestHead): { readonly ms: number; readonly amzDate: string } {
  const amzDate = head.headers.get('x-amz-date');
  if (amzDate !== undefined) {
    const ms = parseAmzDate(amzDate);
    if (ms !== undefined) return { ms, amzDate };
  } else {
    const date = head.headers.get('date');
    const ms = date === undefined ? undefined : (parseHttpDate(date) ?? parseAmzDate(date));
    if (ms !== undefined) return { ms, amzDate: amzDateOf(ms) };
  }
  throw new S3Failure('AccessDenied', {
    message: 'AWS authentication requires a valid Date or x-amz-date header',
  });
}

function checkPresignedTime(claim: PresignedClaim, options: AuthenticateOptions): void {
  const startMs = parseAmzDate(claim.amzDate);
  if (startMs === undefined)
    throw new S3Failure('AuthorizationQueryParametersError', {
      message: "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
    });
  const { date } = claim.credential;
  if (!claim.amzDate.startsWith(date))
    throw new S3Failure('AuthorizationQueryParametersError', {
      message: `Invalid credential date "${date}". This date is not the same as X-Amz-Date: "${claim.amzDate.slice(0, 8)}".`,
    });
  const nowMs = options.clock.nowUs() / 1000;
  const endMs = startMs + claim.expiresS * 1000;
  if (startMs - nowMs > options.clockSkewMaxS * 1000)
    throw new S3Failure('AccessDenied', {
      message: 'Request is not valid yet',
      details: { 'X-Amz-Date': claim.amzDate, ServerTime: isoTime(nowMs) },
    });
  if (nowMs > endMs)
    throw new S3Failure('AccessDenied', {
      message: 'Request has expired',
      details: {
        'X-Amz-Expires': String(claim.expiresS),
        Expires: isoTime(endMs),
        ServerTime: isoTime(nowMs),
      },
    });
}

function checkScope(credential: CredentialScope, region: string): void {
  if (region === '' || credential.region === region) return;
  throw new S3Failure('AuthorizationHeaderMalformed', {
    message: `The authorization header is malformed; the region '${credential.region}' is wrong; expecting '${region}'`,
    details: { Region: region },
    headers: { 'x-amz-bucket-region': region },
  });
}

function checkAmzHeadersSigned(head: RequestHead, signedHeaders: readonly string[]): void {
  let unsigned: string[] | undefined;
  // The body's hash is the canonical request's last line, and so is covered without being a signed header.
  for (const name of head.headers.keys())
    if (
      name.startsWith('x-amz-') &&
      name !== 'x-amz-content-sha256' &&
      !signedHeaders.includes(name)
    ) {
      unsigned ??= [];
      unsigned.push(name);
    }
  if (unsigned !== undefined)
    throw new S3Failure('AccessDenied', {
      message: 'There were headers present in the request which were not signed',
      details: { HeadersNotSigned: unsigned.join(', ') },
    });
}

interface ToProve {
  readonly claim: SignatureClaim;
  readonly amzDate: string;
  readonly payloadHash: string;
  readonly key: SigningKey;
  readonly withoutQuery?: string;
}

function prove(head: RequestHead, { claim, amzDate, payloadHash, key, withoutQuery }: ToProve) {
  const { signedHeaders, signedText, scope } = claim;
  const canonical = canonicalRequest(head, {
    ...{ signedHeaders, signedText, payloadHash, withoutQuery },
  });
  const digest = hash('sha256', Buffer.from(canonical, 'latin1'));
  const stringToSign = `AWS4-HMAC-SHA256\n${amzDate}\n${scope}\n${digest}`;
  if (!equalSignatures(key.sign(stringToSign), claim.signature))
    throw new S3Failure('SignatureDoesNotMatch', {
      details: {
        AWSAccessKeyId: claim.credential.accessKey,
        StringToSign: stringToSign,
        SignatureProvided: claim.signature,
        CanonicalRequest: canonical,
      },
    });
}
