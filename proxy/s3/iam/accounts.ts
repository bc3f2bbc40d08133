/** The keys that this API gives out itself: those of its users, and those of sessions, which are kept nowhere but in their tokens. */
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Clock, Random } from '#common';
import type { AccessKey, Authenticator, Identity } from '../../authenticator.ts';
import type { Records } from '../../objects/index.ts';
import { ownerId } from '../owner-id.ts';
import { S3Failure } from '../s3-failure.ts';
import type { AccountKeys } from '../sigv4/find-key.ts';
import { findPolicyText } from './policy-arns.ts';
import { Sealer } from './sealing.ts';
import { type Group, IamStore, type Role, type User } from './store.ts';

const SessionDocument = Type.Object({
  key: Type.String(),
  secret: Type.String(),
  untilMs: Type.Number(),
  /** The key that asked for the session: with it the session ends. */
  base: Type.String(),
  role: Type.Optional(
    Type.Object({ account: Type.String(), name: Type.String(), session: Type.String() }),
  ),
  policy: Type.Optional(Type.String()),
});
type Session = Static<typeof SessionDocument>;

export interface SessionWish {
  readonly base: string;
  readonly lifeS: number;
  readonly role?: { readonly account: string; readonly name: string; readonly session: string };
  readonly policy?: string;
}

export interface SessionKeys {
  readonly accessKey: string;
  readonly secret: string;
  readonly token: string;
  readonly untilMs: number;
}

export interface AccountsOptions {
  readonly authenticator: Pick<Authenticator, 's3Secret'>;
  readonly records: Records;
  readonly secret: Buffer;
  readonly clock: Clock;
  readonly random: Random;
}

const idLetters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const cacheMs = 2_000;
const cacheMax = 10_000;

export class Accounts implements AccountKeys {
  readonly store: IamStore;
  private readonly options: AccountsOptions;
  private readonly tokens: Sealer;
  private readonly secrets: Sealer;
  private readonly known = new Map<
    string,
    { readonly key: AccessKey | undefined; readonly untilMs: number }
  >();

  constructor(options: AccountsOptions) {
    this.options = options;
    this.store = new IamStore(options.records);
    this.tokens = new Sealer(options.secret, 'session tokens', options.random);
    this.secrets = new Sealer(options.secret, 'access keys', options.random);
  }

  /** `AKIA…`, `AIDA…` and the like. */
  newId(prefix: string): string {
    const bytes = this.options.random.bytes(16);
    return prefix + [...bytes].map((byte) => idLetters[byte & 31]).join('');
  }

  async createKey(
    account: string,
    user: string,
  ): Promise<{ readonly id: string; readonly secret: string }> {
    const id = this.newId('AKIA');
    const secret = this.options.random.bytes(30).toString('base64');
    await this.store.putKey(id, { account, user, sealed: this.secrets.seal(secret) });
    return { id, secret };
  }

  /** A changed user counts at once in this process, in others within seconds. */
  forget(): void {
    this.known.clear();
  }

  async findUserKey(accessKey: string): Promise<AccessKey | undefined> {
    if (!/^AKIA[A-Z2-7]{16}$/.test(accessKey)) return undefined;
    const nowMs = this.options.clock.monotonicMs();
    const known = this.known.get(accessKey);
    if (known !== undefined && known.untilMs > nowMs) return known.key;
    const key = await this.loadUserKey(accessKey);
    if (this.known.size >= cacheMax) this.known.clear();
    this.known.set(accessKey, { key, untilMs: nowMs + cacheMs });
    return key;
  }

  private async loadUserKey(accessKey: string): Promise<AccessKey | undefined> {
    const stored = await this.store.findKey(accessKey);
    const secret = stored && this.secrets.open(stored.sealed);
    if (stored === undefined || secret === undefined) return undefined;
    const user = await this.store.users.find(stored.account, stored.user);
    if (user?.keys.some(({ id, active }) => id === accessKey && active) !== true) return undefined;
    return { secret, identity: await this.identityOf(stored.account, user) };
  }

  /** Keys that are good for a while, with a token that carries all there is to know of them. */
  startSession({ base, lifeS, role, policy }: SessionWish): SessionKeys {
    const untilMs = this.options.clock.nowUs() / 1000 + lifeS * 1000;
    const session: Session = {
      key: this.newId('ASIA'),
      secret: this.options.random.bytes(30).toString('base64'),
      untilMs,
      base,
      ...(role === undefined ? {} : { role }),
      ...(policy === undefined ? {} : { policy }),
    };
    const token = this.tokens.seal(JSON.stringify(session));
    return { accessKey: session.key, secret: session.secret, token, untilMs };
  }

  async openSession(accessKey: string, token: string): Promise<AccessKey> {
    const text = token.length > 16_384 ? undefined : this.tokens.open(token);
    if (text === undefined) throw new S3Failure('InvalidToken');
    const session = Value.Parse(SessionDocument, JSON.parse(text));
    if (session.key !== accessKey) throw new S3Failure('InvalidToken');
    if (session.untilMs <= this.options.clock.nowUs() / 1000) throw new S3Failure('ExpiredToken');
    const { s3Secret } = this.options.authenticator;
    const base = (await s3Secret(session.base)) ?? (await this.findUserKey(session.base));
    if (base === undefined) throw new S3Failure('InvalidAccessKeyId');
    const identity = await this.sessionIdentity(base.identity, session);
    return { secret: session.secret, identity };
  }

  private async sessionIdentity(base: Identity, session: Session): Promise<Identity> {
    const limits = session.policy === undefined ? {} : { sessionPolicy: session.policy };
    if (session.role === undefined) return { ...base, ...limits };
    const { account, name, session: sessionName } = session.role;
    const role = await this.store.roles.find(account, name);
    if (role === undefined) throw new S3Failure('InvalidToken');
    const project = ownerId(account);
    return {
      ...nobodyIn(project),
      userId: `${role.id}:${sessionName}`,
      userName: sessionName,
      policies: await this.policiesOf(account, role),
      roleArn: `arn:aws:iam::${project}:role${role.path}${role.name}`,
      sessionArn: `arn:aws:sts::${project}:assumed-role/${role.name}/${sessionName}`,
      ...limits,
    };
  }

  private async identityOf(account: string, user: User): Promise<Identity> {
    const projectId = ownerId(account);
    const policies = [...(await this.policiesOf(account, user))];
    for (const name of user.groups ?? []) {
      const group = await this.store.groups.find(account, name);
      if (group !== undefined) policies.push(...(await this.policiesOf(account, group)));
    }
    const { id: userId, name: userName, path: userPath } = user;
    return { ...nobodyIn(projectId), userId, userName, userPath, policies };
  }

  /** Inline ones, and those attached as they are now. */
  private async policiesOf(
    account: string,
    { policies, attached }: User | Group | Role,
  ): Promise<readonly string[]> {
    const texts = Object.values(policies);
    for (const arn of attached) {
      const text = await findPolicyText(this.store, account, arn);
      if (text !== undefined) texts.push(text);
    }
    return texts;
  }
}

function nobodyIn(projectId: string) {
  return {
    ...{ projectId, projectName: undefined, domainId: undefined, domainName: undefined },
    ...{ roles: [], reseller: false, expiresMs: undefined },
  };
}
