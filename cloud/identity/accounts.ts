/** Users and projects as operators and the object front door speak of them: by name, in the default domain. */

import { LRUCache } from 'lru-cache';
import { isFailure } from '#common';
import type { Authenticator, Issued } from './authenticate/authenticator.ts';
import type { Context, Contexts } from './contexts.ts';
import type { Db, IdentityCore, Tx } from './core.ts';
import { identityFailure, notFound } from './failures.ts';
import { setPassword } from './resources/actors/user-passwords.ts';
import { insertUser, users } from './resources/actors/users.ts';
import {
  findByAccessKey,
  insertKeyPair,
  type KeyPair,
  keyPairOf,
  newKeyPair,
} from './resources/credentials/credentials.ts';
import { defaultDomainId } from './resources/projects/domains.ts';
import { insertProject } from './resources/projects/projects.ts';
import { removeActor } from './resources/removal.ts';

export interface NewAccount {
  /** Made when it is not there. */
  readonly project: string;
  readonly name: string;
  readonly password: string;
  /** `member` unless said. */
  readonly role?: string;
  /** Whether to make an S3 key pair as well. */
  readonly s3?: boolean;
}

export interface Account {
  readonly userId: string;
  readonly userName: string;
  readonly projectId: string;
  readonly projectName: string;
  readonly role: string;
  readonly s3: KeyPair | undefined;
}

export interface AccountSummary {
  readonly userId: string;
  readonly userName: string;
  readonly enabled: boolean;
  readonly projects: readonly { readonly name: string; readonly role: string }[];
}

/** An S3 key: its secret, and whose it is, in which project, with which roles. */
export interface S3Access extends Context {
  readonly secretKey: string;
}

export class Accounts {
  private readonly core: IdentityCore;
  private readonly contexts: Contexts;
  private readonly authenticator: Authenticator;
  private readonly keys: LRUCache<string, { readonly epoch: number; readonly access: S3Access }>;

  constructor(core: IdentityCore, contexts: Contexts, authenticator: Authenticator) {
    this.core = core;
    this.contexts = contexts;
    this.authenticator = authenticator;
    this.keys = new LRUCache({ max: core.settings.contextsMax });
  }

  /** TempAuth's log-in: `project:user`, both in the default domain. Nothing when the pair is not good. */
  async logIn(projectUser: string, password: string): Promise<Issued | undefined> {
    const colon = projectUser.indexOf(':');
    const domain = { id: defaultDomainId };
    const name = projectUser.slice(colon + 1);
    // Without a project the password is checked all the same: a refusal takes one time, whatever was wrong.
    const project = { name: colon < 0 ? '' : projectUser.slice(0, colon), domain };
    try {
      return await this.authenticator.logIn(
        [{ method: 'password', user: { name, domain }, password }],
        { kind: 'project', project },
      );
    } catch (error) {
      if (isFailure(error, 'denied')) return undefined;
      throw error;
    }
  }

  /** Nothing when there is no such key, or its user or project may not be used any more. */
  async s3Access(accessKey: string): Promise<S3Access | undefined> {
    const { epoch } = this.core;
    const remembered = this.keys.get(accessKey);
    if (remembered?.epoch === epoch) return remembered.access;
    const row = await findByAccessKey(this.core.db, accessKey);
    const pair = row === undefined ? undefined : keyPairOf(this.core, row);
    if (row?.project_id == null || pair === undefined) return undefined;
    const context = await this.contexts.resolve({
      userId: row.user_id,
      scope: { kind: 'project', projectId: row.project_id },
      ...(pair.applicationCredentialId === undefined
        ? {}
        : { applicationCredentialId: pair.applicationCredentialId }),
    });
    if (context === undefined) return undefined;
    // S3 requests are not what access rules speak of: a key of a credential that has some opens nothing.
    if (context.applicationCredential?.accessRules !== undefined) return undefined;
    const access = { ...context, secretKey: pair.secretKey };
    // An application credential ends by the clock, which raises no epoch.
    if (pair.applicationCredentialId === undefined) this.keys.set(accessKey, { epoch, access });
    return access;
  }

  async create(account: NewAccount): Promise<Account> {
    const passwordHash = await this.core.passwords.hash(account.password);
    const pair = account.s3 === true ? newKeyPair(this.core.random) : undefined;
    const role = account.role ?? 'member';
    return this.core.change(async (transaction) => {
      const roleId = await roleNamed(transaction, role);
      const projectId =
        (await projectNamed(transaction, account.project)) ??
        (
          await insertProject(this.core, transaction, {
            name: account.project,
            domainId: defaultDomainId,
          })
        ).id;
      const user = await insertUser(this.core, transaction, {
        name: account.name,
        domainId: defaultDomainId,
        passwordHash,
        defaultProjectId: projectId,
      });
      await transaction
        .insertInto('identity_assignment')
        .values({
          actor_type: 'user',
          actor_id: user.id,
          target_type: 'project',
          target_id: projectId,
          role_id: roleId,
          inherited: 0,
        })
        .execute();
      if (pair !== undefined)
        await insertKeyPair(this.core, transaction, { userId: user.id, projectId }, pair);
      return {
        userId: user.id,
        userName: user.name,
        projectId,
        projectName: account.project,
        role,
        s3: pair,
      };
    });
  }

  /** A further S3 key pair of a user, in one of the user's projects. */
  async createS3Key(project: string, userName: string): Promise<KeyPair> {
    const pair = newKeyPair(this.core.random);
    await this.core.change(async (transaction) => {
      const projectId = await projectNamed(transaction, project);
      if (projectId === undefined) throw notFound('project', project);
      const userId = await userNamed(transaction, userName);
      await insertKeyPair(this.core, transaction, { userId, projectId }, pair);
    });
    return pair;
  }

  async list(): Promise<AccountSummary[]> {
    const rows = await this.core.db
      .selectFrom('identity_user')
      .leftJoin('identity_assignment', (join) =>
        join
          .onRef('identity_assignment.actor_id', '=', 'identity_user.id')
          .on('identity_assignment.target_type', '=', 'project'),
      )
      .leftJoin('identity_role', 'identity_role.id', 'identity_assignment.role_id')
      .leftJoin('identity_project', 'identity_project.id', 'identity_assignment.target_id')
      .select([
        'identity_user.id as userId',
        'identity_user.name as userName',
        'identity_user.enabled as enabled',
        'identity_role.name as role',
        'identity_project.name as project',
      ])
      .where('identity_user.domain_id', '=', defaultDomainId)
      .orderBy('identity_user.name')
      .limit(10_000)
      .execute();
    const found = new Map<string, AccountSummary>();
    for (const row of rows) {
      const known = found.get(row.userId);
      const held =
        row.project === null || row.role === null ? [] : [{ name: row.project, role: row.role }];
      found.set(row.userId, {
        userId: row.userId,
        userName: row.userName,
        enabled: row.enabled === 1,
        projects: [...(known?.projects ?? []), ...held],
      });
    }
    return [...found.values()];
  }

  async setPassword(userName: string, password: string): Promise<void> {
    const hash = await this.core.passwords.hash(password);
    await this.core.change(async (transaction) => {
      const user = await users.get(transaction, await userNamed(transaction, userName));
      await setPassword(this.core, transaction, user, hash);
      await this.core.revokeUser(transaction, user.id);
    });
  }

  async remove(userName: string): Promise<void> {
    await this.core.change(async (transaction) => {
      const userId = await userNamed(transaction, userName);
      await removeActor(transaction, 'user', userId);
      await transaction.deleteFrom('identity_user').where('id', '=', userId).execute();
    });
  }
}

/** The id of a project of the default domain. */
export const projectIdOf = (db: Db, name: string): Promise<string | undefined> =>
  projectNamed(db, name);

async function roleNamed(transaction: Tx, name: string): Promise<string> {
  const row = await transaction
    .selectFrom('identity_role')
    .select('id')
    .where('name', '=', name)
    .where('domain_id', '=', '')
    .executeTakeFirst();
  if (row === undefined)
    throw identityFailure('schema-invalid', { detail: `There is no role ${name}.` });
  return row.id;
}

async function projectNamed(db: Db, name: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('identity_project')
    .select('id')
    .where('name', '=', name)
    .where('domain_id', '=', defaultDomainId)
    .executeTakeFirst();
  return row?.id;
}

async function userNamed(db: Db, name: string): Promise<string> {
  const row = await db
    .selectFrom('identity_user')
    .select('id')
    .where('name', '=', name)
    .where('domain_id', '=', defaultDomainId)
    .executeTakeFirst();
  if (row === undefined) throw notFound('user', name);
  return row.id;
}
