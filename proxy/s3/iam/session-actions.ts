/** STS: who am I, keys for a while, and keys of a role. */
import { evaluatePolicy } from '../access/evaluate-policy.ts';
import { parsePolicy } from '../access/policy-document.ts';
import { principalOf } from '../access/request-context.ts';
import { ownerId } from '../owner-id.ts';
import { S3Failure } from '../s3-failure.ts';
import { element, wrap } from '../xml/write.ts';
import type { SessionKeys } from './accounts.ts';
import { checkPolicy, mayAssume } from './checks.ts';
import { IamFailure } from './iam-failure.ts';
import type { Action, Query } from './query-api.ts';

export const sessionActions: Readonly<Record<string, Action>> = {
  GetCallerIdentity: ({ caller }) => {
    const { identity } = caller;
    const [arn = ''] = principalOf(caller).arns;
    return (
      element('Arn', identity.sessionArn ?? arn) +
      element('UserId', identity.userId) +
      element('Account', ownerId(caller.account))
    );
  },
  GetSessionToken: (query) => {
    if (query.caller.identity.roleArn !== undefined)
      throw new IamFailure('AccessDenied', 'Cannot call GetSessionToken with session credentials.');
    const lifeS = lifeOf(query, { min: 900, max: 129_600, otherwise: 43_200 });
    return renderKeys(query.accounts.startSession({ base: query.caller.accessKey, lifeS }));
  },
  AssumeRole: assumeRole,
};

interface LifeBounds {
  readonly min: number;
  readonly max: number;
  readonly otherwise: number;
}

function lifeOf(query: Query, { min, max, otherwise }: LifeBounds): number {
  const text = query.find('DurationSeconds');
  if (text === undefined) return otherwise;
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (seconds < min || seconds > max)
    throw new IamFailure('ValidationError', `DurationSeconds must be between ${min} and ${max}.`);
  return seconds;
}

async function assumeRole(query: Query): Promise<string> {
  const { accounts, caller } = query;
  const arn = query.get('RoleArn');
  const session = query.get('RoleSessionName');
  if (!/^[\w+=,.@-]{2,64}$/.test(session))
    throw new IamFailure(
      'ValidationError',
      'RoleSessionName is 2 to 64 letters, digits or +=,.@-_.',
    );
  const policy = query.find('Policy');
  if (policy !== undefined) checkPolicy(policy);
  const [, project = '', path = ''] = /^arn:aws[a-z-]*:iam::([\w-]+):role\/(.+)$/.exec(arn) ?? [];
  const name = path.slice(path.lastIndexOf('/') + 1);
  const account = `AUTH_${project}`;
  const role = project === '' ? undefined : await accounts.store.roles.find(account, name);
  // Whether a role of somebody else exists is not told.
  const trust = role === undefined ? 'no' : trustOf(query, role.trust);
  if (role === undefined || trust === 'no' || !mayAssume(query, arn, trust === 'by-name'))
    throw new IamFailure(
      'AccessDenied',
      `User: ${principalOf(caller).arns[0]} is not authorized to perform: sts:AssumeRole on resource: ${arn}`,
    );
  const lifeS = lifeOf(query, { min: 900, max: role.maxSessionS, otherwise: 3_600 });
  const keys = accounts.startSession({
    base: caller.accessKey,
    lifeS,
    role: { account, name: role.name, session },
    ...(policy === undefined ? {} : { policy }),
  });
  const who =
    element('AssumedRoleId', `${role.id}:${session}`) +
    element('Arn', `arn:aws:sts::${project}:assumed-role/${role.name}/${session}`);
  return renderKeys(keys) + wrap('AssumedRoleUser', who);
}

/** The trust policy is a policy without resources. `by-name`: it names the caller itself, not just its project or everybody. */
function trustOf({ caller, nowMs }: Query, trust: string): 'no' | 'yes' | 'by-name' {
  try {
    const principal = principalOf(caller);
    const question = {
      principal,
      action: 'sts:AssumeRole',
      resource: '*',
      context: (key: string) =>
        key === 'aws:currenttime' ? [new Date(nowMs).toISOString()] : undefined,
    };
    const statements = parsePolicy(trust, { trust: true });
    if (evaluatePolicy(statements, question) !== 'allow') return 'no';
    const named = statements.filter(
      ({ principals }) =>
        principals?.inverted === false &&
        principals.aws.some((arn) => principal.arns.includes(arn)),
    );
    return evaluatePolicy(named, question) === 'allow' ? 'by-name' : 'yes';
  } catch (error) {
    if (error instanceof S3Failure) return 'no';
    throw error;
  }
}

function renderKeys({ accessKey, secret, token, untilMs }: SessionKeys): string {
  return wrap(
    'Credentials',
    element('AccessKeyId', accessKey) +
      element('SecretAccessKey', secret) +
      element('SessionToken', token) +
      element('Expiration', `${new Date(untilMs).toISOString().slice(0, 19)}Z`),
  );
}
