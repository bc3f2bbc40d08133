/**
 * `s3tokens` and `ec2tokens`: a service that received a signed request, but has no secret, asks who signed it.
 * For services and administrators only: whoever may ask could try signatures without end.
 */
import { createHash, createHmac } from 'node:crypto';
import Type, { type Static } from 'typebox';
import type { Route } from '../../../api/index.ts';
import type { Accounts, S3Access } from '../../accounts.ts';
import { sameSecret } from '../../authenticate/authenticator.ts';
import { type IdentityCaller, route } from '../../caller.ts';
import type { IdentityCore } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { Tokens } from '../../tokens/tokens.ts';
import { tokenView } from '../tokens/token-view.ts';

const line = Type.String({ maxLength: 8192 });
const lines = Type.Record(Type.String(), line, { maxProperties: 256 });
const access = Type.String({ minLength: 1, maxLength: 255 });
const signature = Type.String({ minLength: 1, maxLength: 255 });

const s3Credentials = Type.Object({ access, signature, token: Type.String({ maxLength: 65_536 }) });
const ec2Credentials = Type.Object({
  access,
  signature,
  host: Type.Optional(line),
  verb: Type.Optional(line),
  path: Type.Optional(line),
  params: Type.Optional(lines),
  headers: Type.Optional(lines),
  body_hash: Type.Optional(line),
});
type Ec2Credentials = Static<typeof ec2Credentials>;

export function signatureTokenRoutes(
  core: IdentityCore,
  tokens: Tokens,
  accounts: Accounts,
): Route<IdentityCaller>[] {
  const issueFor = async (key: S3Access | undefined, genuine: boolean) => {
    if (key === undefined || !genuine || key.scope.kind !== 'project')
      throw identityFailure('unauthorized');
    const issued = await tokens.issue({
      userId: key.user.id,
      scope: { kind: 'project', projectId: key.scope.id },
      methods: ['ec2credential'],
      ...(key.applicationCredential === undefined
        ? {}
        : { applicationCredentialId: key.applicationCredential.id }),
    });
    if (issued === undefined) throw identityFailure('unauthorized');
    return { ...issued, view: await tokenView(core, issued.info, true) };
  };
  return [
    route({
      method: 'POST',
      path: '/v3/s3tokens',
      policy: 'identity:s3tokens_validate',
      body: Type.Object({ credentials: s3Credentials }),
      handle: async (request) => {
        const { credentials } = request.body;
        const key = await accounts.s3Access(credentials.access);
        const text = Buffer.from(credentials.token, 'base64');
        const expected = key === undefined ? undefined : signatureOf(text, key.secretKey);
        const genuine = expected !== undefined && sameSecret(credentials.signature, expected);
        // Without the token itself: the service learns who signed, and cannot act as that user.
        return { body: { token: (await issueFor(key, genuine)).view } };
      },
    }),
    route({
      method: 'POST',
      path: '/v3/ec2tokens',
      policy: 'identity:ec2tokens_validate',
      body: Type.Object({
        credentials: Type.Optional(ec2Credentials),
        ec2Credentials: Type.Optional(ec2Credentials),
      }),
      handle: async (request) => {
        const credentials = request.body.credentials ?? request.body.ec2Credentials;
        if (credentials === undefined)
          throw identityFailure('schema-invalid', {
            detail: "'credentials' is a required property",
          });
        refuseOld(core, credentials);
        const key = await accounts.s3Access(credentials.access);
        const genuine = key !== undefined && isGenuine(credentials, key.secretKey);
        const { token, view } = await issueFor(key, genuine);
        return { body: { token: view }, headers: { 'X-Subject-Token': token } };
      },
    }),
  ];
}

const hmac = (algorithm: string, key: string | Buffer, text: string | Buffer) =>
  createHmac(algorithm, key).update(text).digest();

/** The signature of an S3 string to sign: version 4 says so in its first line, version 2 does not. */
export function signatureOf(text: Buffer, secret: string): string | undefined {
  const whole = text.toString('utf8');
  if (!whole.startsWith('AWS4')) return hmac('sha1', secret, text).toString('base64');
  const [algorithm, , scope = '', , more] = whole.split('\n');
  if (algorithm !== 'AWS4-HMAC-SHA256' || more !== undefined) return undefined;
  const [day, region, service, end] = scope.split('/');
  if (service !== 's3' || end !== 'aws4_request') return undefined;
  return hmac('sha256', keyOf(secret, [day ?? '', region ?? '', service]), text).toString('hex');
}

function keyOf(secret: string, scope: readonly string[]): Buffer {
  const start: Buffer = Buffer.from(`AWS4${secret}`);
  return [...scope, 'aws4_request'].reduce((key, part) => hmac('sha256', key, part), start);
}

/** Some libraries sign the host without its port. */
function isGenuine(credentials: Ec2Credentials, secret: string): boolean {
  const host = credentials.host ?? '';
  const hosts = host.includes(':') ? [host, host.slice(0, host.lastIndexOf(':'))] : [host];
  return hosts.some((name) => {
    const expected = ec2SignatureOf({ ...credentials, host: name }, secret);
    return expected !== undefined && sameSecret(credentials.signature, expected);
  });
}

/** Version 4 by headers or query, version 2 by query. The older two sign no more than a hash of MD5's time, and are refused. */
function ec2SignatureOf(credentials: Ec2Credentials, secret: string): string | undefined {
  const { params = {}, headers = {} } = credentials;
  const authorization = headerOf(headers, 'authorization');
  const isFourth =
    authorization?.startsWith('AWS4-HMAC-SHA256') === true ||
    params['X-Amz-Algorithm'] === 'AWS4-HMAC-SHA256';
  if (isFourth) return fourthVersion(credentials, secret, authorization);
  if (params.SignatureVersion !== '2') return undefined;
  const algorithm = params.SignatureMethod === 'HmacSHA1' ? 'sha1' : 'sha256';
  const text = [
    credentials.verb ?? '',
    (credentials.host ?? '').toLowerCase(),
    credentials.path ?? '',
    canonicalQuery(params, 'Signature'),
  ].join('\n');
  return hmac(algorithm, secret, text).toString('base64');
}

function fourthVersion(
  credentials: Ec2Credentials,
  secret: string,
  authorization: string | undefined,
): string | undefined {
  const { params = {}, headers = {} } = credentials;
  const field = (name: string) =>
    authorization === undefined
      ? params[`X-Amz-${name}`]
      : new RegExp(`${name}=([^, ]+)`).exec(authorization)?.[1];
  const [, ...scope] = (field('Credential') ?? '').split('/');
  const signed = field('SignedHeaders')?.split(';') ?? [];
  const date = headerOf(headers, 'x-amz-date') ?? params['X-Amz-Date'] ?? '';
  const [day = '', region = '', service = '', end] = scope;
  if (end !== 'aws4_request' || !date.startsWith(day) || signed.length === 0) return undefined;
  const values = signed.map((name) =>
    name === 'host' ? credentials.host : headerOf(headers, name),
  );
  if (values.includes(undefined)) return undefined;
  const canonical = [
    credentials.verb ?? '',
    credentials.path ?? '',
    // With the signature in a header, the parameters of a POST are its body.
    authorization !== undefined && credentials.verb === 'POST'
      ? ''
      : canonicalQuery(params, 'X-Amz-Signature'),
    ...signed.map((name, at) => `${name}:${values[at]?.trim().replace(/ +/g, ' ')}`),
    '',
    signed.join(';'),
    credentials.body_hash ?? '',
  ].join('\n');
  const digest = createHash('sha256').update(canonical).digest('hex');
  const text = ['AWS4-HMAC-SHA256', date, scope.join('/'), digest].join('\n');
  return hmac('sha256', keyOf(secret, [day, region, service]), text).toString('hex');
}

const headerOf = (headers: Readonly<Record<string, string>>, name: string): string | undefined =>
  Object.entries(headers).find(([other]) => other.toLowerCase() === name)?.[1];

const encode = (text: string) =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );

function canonicalQuery(params: Readonly<Record<string, string>>, without: string): string {
  return Object.entries(params)
    .filter(([name]) => name !== without)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
}

const ttlUs = 15 * 60 * 1e6;

/** A request that carries its time is good for a quarter of an hour. */
function refuseOld(core: IdentityCore, credentials: Ec2Credentials): void {
  const { params = {}, headers = {} } = credentials;
  const time = params.Timestamp ?? headerOf(headers, 'x-amz-date') ?? params['X-Amz-Date'];
  if (time === undefined) return;
  const parts = /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d):?(\d\d)/.exec(time);
  const us =
    parts === null
      ? Number.NaN
      : Date.parse(`${parts[1]}-${parts[2]}-${parts[3]}T${parts[4]}:${parts[5]}:${parts[6]}Z`) *
        1e3;
  if (Number.isNaN(us) || Math.abs(core.clock.nowUs() - us) > ttlUs)
    throw identityFailure('unauthorized');
}
