/** What the conditions of policies can ask about a request. */
import type { Container, ObjectInfo } from '../../objects/index.ts';
import { parseTagQuery, tagsOf } from '../config/tags.ts';
import type { Caller, S3Request } from '../context.ts';
import type { PrincipalNames } from './evaluate-policy.ts';

export interface AskedObject {
  readonly key: string;
  readonly info?: ObjectInfo | undefined;
}

export function principalOf(caller: Caller): PrincipalNames {
  const { identity } = caller;
  const accountId = identity.projectId ?? '';
  const { roleArn, sessionArn } = identity;
  // A session's name is of its caller's choosing: it is nobody's user.
  if (roleArn !== undefined && sessionArn !== undefined)
    return { accountId, canonicalId: accountId, arns: [roleArn, sessionArn] };
  const arn = `arn:aws:iam::${accountId}:user${identity.userPath ?? '/'}${identity.userName}`;
  return { accountId, canonicalId: accountId, arns: [arn] };
}

type Values = readonly string[] | undefined;

function one(value: string | undefined): Values {
  return value === undefined ? undefined : [value];
}

/** Lower-case keys to values; undefined for what the request does not have. */
export function contextOf(
  request: S3Request,
  container: Pick<Container, 'account'>,
  object: AskedObject | undefined,
): (key: string) => Values {
  const { caller } = request;
  const nowMs = request.nowMs;
  const fixed: Readonly<Record<string, () => Values>> = {
    'aws:sourceip': () => one(request.clientIp),
    'aws:securetransport': () => [String(request.secure)],
    'aws:referer': () => one(request.head.headers.get('referer')),
    'aws:useragent': () => one(request.head.headers.get('user-agent')),
    'aws:currenttime': () => [new Date(nowMs).toISOString()],
    'aws:epochtime': () => [String(Math.floor(nowMs / 1000))],
    'aws:username': () => one(userNameOf(caller)),
    'aws:userid': () => one(caller?.identity.userId),
    'aws:principaltype': () => [principalType(caller)],
    'aws:principalaccount': () => one(caller?.identity.projectId),
    'aws:principalarn': () => one(caller && principalOf(caller).arns[0]),
    'aws:resourceaccount': () => [container.account.replace(/^AUTH_/, '')],
    's3:resourceaccount': () => [container.account.replace(/^AUTH_/, '')],
    's3:authtype': () => one(request.signature?.kind),
    's3:signatureversion': () => one(request.signature?.version),
    's3:signatureage': () => one(request.signature && String(request.signature.ageMs)),
    's3:prefix': () => one(request.query.get('prefix') ?? (request.key === '' ? '' : undefined)),
    's3:delimiter': () => one(request.query.get('delimiter')),
    's3:max-keys': () =>
      one(request.query.get('max-keys') ?? (request.key === '' ? '1000' : undefined)),
    's3:versionid': () => one(request.query.get('versionId')),
    's3:locationconstraint': () => one(request.query.get('location')),
    's3:object-lock-mode': () => one(lockOf(request, 'mode')),
    's3:object-lock-legal-hold': () => one(lockOf(request, 'legal-hold')),
    's3:object-lock-retain-until-date': () => one(lockOf(request, 'retain-until-date')),
    's3:object-lock-remaining-retention-days': () => one(remainingDays(request)),
    's3:requestobjecttagkeys': () => requestTags(request)?.map(([name]) => name),
  };
  return (key) => {
    if (Object.hasOwn(fixed, key)) return fixed[key]?.();
    if (key.startsWith('s3:existingobjecttag/'))
      return tagValue(object?.info && tagsOf(object.info.system), key);
    if (key.startsWith('s3:requestobjecttag/')) return tagValue(requestTags(request), key);
    if (key.startsWith('s3:x-amz-')) return one(request.head.headers.get(key.slice(3)));
    if (key === 's3:if-match' || key === 's3:if-none-match')
      return one(request.head.headers.get(key.slice(3)));
    return undefined;
  };
}

/** Sessions of roles have none: their names are of their callers' choosing. */
export function userNameOf(caller: Caller | undefined): string | undefined {
  return caller?.identity.roleArn === undefined ? caller?.identity.userName : undefined;
}

function principalType(caller: Caller | undefined): string {
  if (caller === undefined) return 'Anonymous';
  return caller.identity.roleArn === undefined ? 'User' : 'AssumedRole';
}

function lockOf({ requestLock, head }: S3Request, what: string): string | undefined {
  const name = `x-amz-object-lock-${what}`;
  return requestLock === undefined ? head.headers.get(name) : requestLock[name];
}

function remainingDays(request: S3Request): string | undefined {
  const until = lockOf(request, 'retain-until-date');
  const ms = until === undefined ? Number.NaN : Date.parse(until);
  return Number.isNaN(ms) ? undefined : String(Math.ceil((ms - request.nowMs) / 86_400_000));
}

type Tags = readonly (readonly [string, string])[];

/** Keys of conditions come in lower case, tags do not. */
function tagValue(tags: Tags | undefined, key: string): Values {
  const wanted = key.slice(key.indexOf('/') + 1);
  return one(tags?.find(([name]) => name.toLowerCase() === wanted)?.[1]);
}

function requestTags(request: S3Request): Tags | undefined {
  if (request.requestTags !== undefined) return request.requestTags;
  const header = request.head.headers.get('x-amz-tagging');
  return header === undefined ? undefined : parseTagQuery(header);
}
