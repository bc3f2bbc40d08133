/**
 * Who may do what with a bucket and what is in it:
 *
 * 1. a denial in the bucket's policy, or in the caller's own, ends it;
 * 2. a caller of the bucket's project may what its role allows, or, with policies of its own, what those or the bucket's allow;
 * 3. anybody else needs the bucket's policy, the container's Swift lists, or an access control list.
 */
import { isFailure } from '#common';
import type { Container, ObjectInfo } from '../objects/index.ts';
import { authorize, isOwnAccount, isOwner } from '../swift/access.ts';
import { SwiftRefusal } from '../swift/refusal.ts';
import { aclField, decodeAcl, isGranted } from './access/acl.ts';
import { type AclPermission, type Action, ruleOf } from './access/actions.ts';
import { aclsCount, policyConfirmedField, rightsOf } from './access/bucket-rights.ts';
import { evaluatePolicy, type Verdict } from './access/evaluate-policy.ts';
import { parsePolicy, type Statement } from './access/policy-document.ts';
import { type AskedObject, contextOf, principalOf } from './access/request-context.ts';
import type { Caller, S3Request, S3Services } from './context.ts';
import { ownerId } from './owner-id.ts';
import { S3Failure } from './s3-failure.ts';

export { ownerId } from './owner-id.ts';

/** The bucket that the request addresses, if the caller may do this with it (or with the object of the request's key). */
export async function openBucket(
  request: S3Request,
  services: S3Services,
  action: Action,
): Promise<Container> {
  const { bucket } = request;
  const container =
    rememberedBucket(bucket, request, services) ?? (await findBucket(bucket, request, services));
  const object = request.key === '' ? undefined : { key: request.key };
  if (!mayDo(request, container, action, object)) throw new S3Failure('AccessDenied');
  return container;
}

/** The bucket, whoever asks; what may be done with it is to be checked with `mayDo`. */
export async function findBucket(
  bucket: string,
  request: S3Request,
  services: S3Services,
): Promise<Container> {
  const container = await resolve(bucket, request.caller, services);
  return addressed(container, bucket, request);
}

/** The same at once, where the caller's bucket of that name is remembered. */
export function rememberedBucket(
  bucket: string,
  request: S3Request,
  services: S3Services,
): Container | undefined {
  const { caller } = request;
  if (caller === undefined) return undefined;
  const container = services.objects.containers.remembered(caller.account, bucket);
  return container && addressed(container, bucket, request);
}

function addressed(container: Container, bucket: string, request: S3Request): Container {
  if (bucket === request.bucket) request.trace.container = container;
  const expected = request.head.headers.get('x-amz-expected-bucket-owner');
  if (expected !== undefined && expected !== ownerId(container.account))
    throw new S3Failure('AccessDenied');
  return container;
}

/** Names that buckets have ever had; containers of Swift's may have others. */
const couldBeBucket = /^[A-Za-z0-9][A-Za-z0-9._-]{2,254}$/;

async function resolve(
  bucket: string,
  caller: Caller | undefined,
  services: S3Services,
): Promise<Container> {
  try {
    return await services.objects.containers.resolve(bucket, caller?.account);
  } catch (error) {
    if (isFailure(error, 'missing') || isFailure(error, 'invalid'))
      throw new S3Failure(couldBeBucket.test(bucket) ? 'NoSuchBucket' : 'InvalidBucketName', {
        details: { BucketName: bucket },
        cause: error,
      });
    throw error;
  }
}

export function mayDo(
  request: S3Request,
  container: Container,
  action: Action,
  object?: AskedObject,
): boolean {
  const { caller } = request;
  const rights = rightsOf(container);
  if (rights.policy.length === 0 && isPlainMember(caller, container, action)) return true;
  const verdict = policyVerdict(rights.policy, { request, container, action, object });
  if (verdict === 'deny') return mayUnlock(caller, container, action);
  const own = caller === undefined ? [] : identityPolicies(caller);
  const ownVerdicts = own.map((policy) =>
    policyVerdict(policy, { request, container, action, object }),
  );
  if (ownVerdicts.includes('deny')) return false;
  if (!withinSession(caller, { request, container, action, object })) return false;
  const isOurs = caller !== undefined && caller.account === container.account;
  if (isOurs || caller?.identity.reseller === true) {
    if (caller.identity.policies !== undefined)
      return verdict === 'allow' || ownVerdicts.includes('allow');
    if (roleAllows(caller, container, action) || verdict === 'allow') return true;
  } else if (caller?.identity.policies !== undefined && !ownVerdicts.includes('allow'))
    return false;
  const byPolicy =
    verdict === 'allow' &&
    !(rights.isPolicyPublic && rights.publicAccess.restrictPublicBuckets && !isOurs);
  return (
    byPolicy ||
    swiftAllows(caller, container, action) ||
    aclAllows(request, container, action, object)
  );
}

/** A caller of the bucket's own project whom its role allows this and no policy says anything about: what nearly all requests are. */
function isPlainMember(caller: Caller | undefined, container: Container, action: Action): boolean {
  return (
    caller !== undefined &&
    caller.account === container.account &&
    caller.identity.policies === undefined &&
    caller.identity.sessionPolicy === undefined &&
    roleAllows(caller, container, action)
  );
}

/**
 * Whether somebody who may put an object may give it tags at once. A policy that lets others put objects does not have to name this action as
 * well, only to not deny it; users with policies of their own need it there.
 */
export function mayTagNew(request: S3Request, container: Container, key: string): boolean {
  const action: Action = 's3:PutObjectTagging';
  if (mayDo(request, container, action, { key })) return true;
  const { caller } = request;
  if (caller?.identity.policies !== undefined) return false;
  const question = { request, container, action, object: { key } };
  const lists = [
    rightsOf(container).policy,
    ...(caller === undefined ? [] : identityPolicies(caller)),
  ];
  return lists.every((policy) => policyVerdict(policy, question) !== 'deny');
}

const ofPolicy: ReadonlySet<string> = new Set([
  's3:GetBucketPolicy',
  's3:PutBucketPolicy',
  's3:DeleteBucketPolicy',
]);

/** An owner cannot be shut out of the bucket's policy by the policy, unless that was confirmed when it was put. */
function mayUnlock(caller: Caller | undefined, container: Container, action: Action): boolean {
  if (caller === undefined || caller.identity.policies !== undefined || !ofPolicy.has(action))
    return false;
  if (container.system[policyConfirmedField] !== undefined) return false;
  return isOwner({ identity: caller.identity, referer: undefined }, container.account);
}

interface Question {
  readonly request: S3Request;
  readonly container: Container;
  readonly action: Action;
  readonly object: AskedObject | undefined;
}

function policyVerdict(
  statements: readonly Statement[],
  { request, container, action, object }: Question,
): Verdict {
  if (statements.length === 0) return 'silent';
  const path = object === undefined ? '' : `/${object.key}`;
  return evaluatePolicy(statements, {
    principal: request.caller === undefined ? undefined : principalOf(request.caller),
    action,
    resource: `arn:aws:s3:::${container.name}${path}`,
    context: contextOf(request, container, object),
  });
}

const parsed = new WeakMap<readonly string[], readonly (readonly Statement[])[]>();

function identityPolicies({ identity }: Caller): readonly (readonly Statement[])[] {
  if (identity.policies === undefined) return [];
  let known = parsed.get(identity.policies);
  if (known === undefined) {
    known = identity.policies.map((text) => parsePolicy(text, {}));
    parsed.set(identity.policies, known);
  }
  return known;
}

/** A session's policy takes away; it gives nothing. */
function withinSession(caller: Caller | undefined, question: Question): boolean {
  const text = caller?.identity.sessionPolicy;
  return text === undefined || policyVerdict(parsePolicy(text, {}), question) === 'allow';
}

function roleAllows(caller: Caller, container: Container, action: Action): boolean {
  const who = { identity: caller.identity, referer: undefined };
  if (isOwner(who, container.account)) return true;
  const { need } = ruleOf(action);
  const reads = need === 'look' || need === 'list' || need === 'get';
  return reads && isOwnAccount(who, container.account) && caller.identity.roles.includes('reader');
}

const swiftNeeds = {
  list: 'listing',
  get: 'object',
  write: 'write',
  own: 'owner',
  look: 'owner',
} as const;

/** A web page's address, which referrer rules look at, is not looked at: a signed request comes from no page. */
function swiftAllows(caller: Caller | undefined, container: Container, action: Action): boolean {
  const { system } = container;
  if (system['read-acl'] === undefined && system['write-acl'] === undefined) return false;
  const { need } = ruleOf(action);
  const who = { identity: caller?.identity, referer: undefined };
  try {
    authorize(who, container.account, container, swiftNeeds[need]);
    return true;
  } catch (error) {
    if (error instanceof SwiftRefusal) return false;
    throw error;
  }
}

function aclAllows(
  { caller }: S3Request,
  container: Container,
  action: Action,
  object: AskedObject | undefined,
): boolean {
  const rights = rightsOf(container);
  const { acl: wanted } = ruleOf(action);
  if (wanted === undefined || !aclsCount(rights)) return false;
  const { permission } = wanted;
  const who = caller === undefined ? undefined : granteeId(caller, container, permission);
  const ignorePublic = rights.publicAccess.ignorePublicAcls;
  if (wanted.on === 'bucket') return isGranted(rights.acl, who, { permission, ignorePublic });
  if (object?.info === undefined) return false;
  const acl = decodeAcl(object.info.system[aclField], ownerId(container.account));
  return (
    (who !== undefined && acl.owner === who) || isGranted(acl, who, { permission, ignorePublic })
  );
}

/**
 * The id by which a list may grant a caller something. Within the bucket's own project roles decide; and a list that grants another project
 * something does not let that project's readers write. Such callers are signed, and nobody in particular.
 */
function granteeId(caller: Caller, container: Container, permission: AclPermission): string {
  const nobody = '';
  if (caller.account === container.account) return nobody;
  const who = { identity: caller.identity, referer: undefined };
  if (isOwner(who, caller.account) || caller.identity.policies !== undefined)
    return ownerId(caller.account);
  const reads = permission === 'READ' || permission === 'READ_ACP';
  return reads && caller.identity.roles.includes('reader') ? ownerId(caller.account) : nobody;
}

/** For objects that were read already, where their tags or lists may decide. */
export function checkMayDo(
  request: S3Request,
  container: Container,
  action: Action,
  object: { readonly key: string; readonly info: ObjectInfo },
): void {
  if (!mayDo(request, container, action, object)) throw new S3Failure('AccessDenied');
}

/** Whether the caller may make a bucket in its own project, or see all of them: without a bucket there is nobody's policy but its own. */
export function mayInProject(request: S3Request, caller: Caller, action: Action): boolean {
  const { identity, account } = caller;
  const policies = identityPolicies(caller);
  const question = {
    principal: principalOf(caller),
    action,
    resource: `arn:aws:s3:::${request.bucket === '' ? '*' : request.bucket}`,
    context: contextOf(request, { account }, undefined),
  };
  const { sessionPolicy } = identity;
  if (
    sessionPolicy !== undefined &&
    evaluatePolicy(parsePolicy(sessionPolicy, {}), question) !== 'allow'
  )
    return false;
  const verdicts = policies.map((policy) => evaluatePolicy(policy, question));
  if (verdicts.includes('deny')) return false;
  if (identity.policies !== undefined) return verdicts.includes('allow');
  const who = { identity, referer: undefined };
  if (isOwner(who, account)) return true;
  return (
    action === 's3:ListAllMyBuckets' &&
    isOwnAccount(who, account) &&
    identity.roles.includes('reader')
  );
}

/** The caller of an operation that nobody may do unsigned. */
export function signedCaller(request: S3Request): Caller {
  if (request.caller === undefined) throw new S3Failure('AccessDenied');
  return request.caller;
}
