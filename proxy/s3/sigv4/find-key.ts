/** Whose an access key is: a user's of identity, one of IAM's, or a session's. */
import { type AccessKey, type Authenticator, accountOf } from '../../authenticator.ts';
import type { Caller } from '../context.ts';
import { S3Failure } from '../s3-failure.ts';

/** What IAM and STS gave out. */
export interface AccountKeys {
  findUserKey(accessKey: string): Promise<AccessKey | undefined>;
  /** Fails `InvalidToken` or `ExpiredToken`. */
  openSession(accessKey: string, token: string): Promise<AccessKey>;
}

export interface KeySources {
  readonly authenticator: Pick<Authenticator, 's3Secret'>;
  /** Keys and sessions of this API's own users, which the authenticator does not know. */
  readonly accounts?: AccountKeys;
}

export interface FoundKey {
  readonly secret: string;
  readonly caller: Caller;
}

/** Keys as they were found: the authenticator remembers them for a moment, and so is what was made of them. */
const made = new WeakMap<AccessKey, FoundKey>();

/** The secret of an access key, and whose it is; at once where the authenticator remembers it. */
export function findKey(
  accessKey: string,
  token: string | undefined,
  sources: KeySources,
): FoundKey | Promise<FoundKey> {
  if (token !== undefined) return askForKey(accessKey, token, sources);
  const known = sources.authenticator.s3Secret(accessKey);
  if (known === undefined || known instanceof Promise)
    return askForKey(accessKey, undefined, sources, known);
  let found = made.get(known);
  if (found?.caller.accessKey !== accessKey) {
    found = { secret: known.secret, caller: callerOf(accessKey, known.identity) };
    made.set(known, found);
  }
  return found;
}

async function askForKey(
  accessKey: string,
  token: string | undefined,
  sources: KeySources,
  asked?: ReturnType<Authenticator['s3Secret']>,
): Promise<FoundKey> {
  const { accounts } = sources;
  if (token !== undefined) {
    if (accounts === undefined) throw new S3Failure('InvalidToken');
    const session = await accounts.openSession(accessKey, token);
    return { secret: session.secret, caller: callerOf(accessKey, session.identity) };
  }
  const known = (await asked) ?? (await accounts?.findUserKey(accessKey));
  if (known === undefined) throw unknownKey(accessKey);
  return { secret: known.secret, caller: callerOf(accessKey, known.identity) };
}

function unknownKey(accessKey: string): S3Failure {
  return new S3Failure('InvalidAccessKeyId', { details: { AWSAccessKeyId: accessKey } });
}

function callerOf(accessKey: string, identity: Caller['identity']): Caller {
  if (identity.projectId === undefined)
    throw new S3Failure('AccessDenied', { message: 'The access key belongs to no project.' });
  return { accessKey, identity, account: accountOf(identity.projectId) };
}
