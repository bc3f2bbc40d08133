/**
 * Domains whose users are in a directory (`identity.driver` is `ldap` in their configuration). A user is copied here when
 * seen there, under an id made of the domain and the directory's own id, so that roles can be given; passwords stay there.
 */
import { createHash } from 'node:crypto';
import type { Reference } from '../authenticate/references.ts';
import type { Db, IdentityCore, Tx } from '../core.ts';
import { identityFailure } from '../failures.ts';
import { users } from '../resources/actors/users.ts';
import { configOf } from '../resources/projects/domain-config.ts';
import { configDefaults } from '../resources/projects/domain-config-options.ts';
import type { UserRow } from '../tables.ts';
import { Directory, type DirectoryGroup, type DirectoryUser } from './directory.ts';

// Listings ask a directory so often and no oftener.
const freshMs = 5_000;

const idOf = (domainId: string, kind: 'user' | 'group', externalId: string): string =>
  createHash('sha256')
    .update(JSON.stringify([domainId, kind, externalId]))
    .digest('hex');

export class Directories {
  private readonly core: IdentityCore;
  private readonly seenAtMs = new Map<string, number>();

  constructor(core: IdentityCore) {
    this.core = core;
  }

  /** Nothing for a domain whose users are here. */
  async of(domainId: string, db: Db = this.core.db): Promise<Directory | undefined> {
    const config = await configOf(this.core, db, domainId);
    if (config.identity?.driver !== 'ldap') return undefined;
    return new Directory(config, configDefaults(this.core.settings.listMax));
  }

  /** Who is kept in a directory is changed there. */
  async refuseWrite(domainId: string, db: Db = this.core.db): Promise<void> {
    if ((await this.of(domainId, db)) !== undefined)
      throw identityFailure('forbidden', { why: 'LDAP does not support write operations' });
  }

  /** The user whose password this is in the domain's directory, as copied here; nothing when it is not. */
  async prove(
    domainId: string,
    directory: Directory,
    reference: Reference,
    password: string,
  ): Promise<UserRow | undefined> {
    const entry = await this.entryOf(directory, reference);
    if (entry === undefined || !(await directory.proves(entry, password))) return undefined;
    const groups = await directory.groupsOf(entry);
    return this.core.change(async (transaction) => {
      const row = await this.copy(transaction, domainId, entry);
      await copyGroups(transaction, domainId, row, groups);
      return row;
    });
  }

  /** Copies all users of a directory's domain, for a listing; those who are gone there are disabled here. */
  async refresh(domainId: string): Promise<void> {
    const nowMs = this.core.clock.monotonicMs();
    const seenMs = this.seenAtMs.get(domainId) ?? Number.NEGATIVE_INFINITY;
    const directory = nowMs - seenMs < freshMs ? undefined : await this.of(domainId);
    if (directory === undefined) return;
    const entries = await directory.list(this.core.settings.listMax);
    await this.core.change(async (transaction) => {
      const there = new Set<string>();
      for (const entry of entries) there.add((await this.copy(transaction, domainId, entry)).id);
      const copied = await transaction
        .selectFrom('identity_directory_user')
        .innerJoin('identity_user', 'identity_user.id', 'identity_directory_user.user_id')
        .selectAll('identity_user')
        .where('domain_id', '=', domainId)
        .where('enabled', '=', 1)
        .execute();
      for (const row of copied) {
        if (there.has(row.id)) continue;
        await users.update(transaction, { ...row, enabled: 0 }, row.name);
        await this.core.revokeUser(transaction, row.id);
      }
    });
    this.seenAtMs.set(domainId, nowMs);
  }

  private async entryOf(
    directory: Directory,
    reference: Reference,
  ): Promise<DirectoryUser | undefined> {
    if (reference.id === undefined) return directory.findByName(reference.name ?? '');
    const row = await this.core.db
      .selectFrom('identity_directory_user')
      .select('external_id')
      .where('user_id', '=', reference.id)
      .executeTakeFirst();
    return row && directory.findById(row.external_id);
  }

  private async copy(transaction: Tx, domainId: string, entry: DirectoryUser): Promise<UserRow> {
    const id = idOf(domainId, 'user', entry.externalId);
    const before = await users.find(transaction, id);
    const extra = JSON.stringify({
      ...(entry.email === undefined ? {} : { email: entry.email }),
      ...(entry.description === undefined ? {} : { description: entry.description }),
    });
    const enabled = entry.enabled ? 1 : 0;
    const row: UserRow = {
      ...(before ?? {
        id,
        domain_id: domainId,
        default_project_id: null,
        created_at_us: this.core.clock.nowUs(),
        options: '{}',
        failed_count: 0,
        failed_at_us: null,
        last_active_at_us: null,
      }),
      name: entry.name,
      enabled,
      extra,
    };
    if (before === undefined) {
      await users.insert(transaction, row, row.name);
      await transaction
        .insertInto('identity_directory_user')
        .values({ user_id: id, external_id: entry.externalId })
        .execute();
    } else await users.update(transaction, row, row.name);
    if (before?.enabled === 1 && enabled === 0) await this.core.revokeUser(transaction, id);
    return row;
  }
}

/** The user's groups are those of the directory, and no others. */
async function copyGroups(
  transaction: Tx,
  domainId: string,
  user: UserRow,
  groups: readonly DirectoryGroup[],
): Promise<void> {
  await transaction.deleteFrom('identity_membership').where('user_id', '=', user.id).execute();
  for (const { externalId, name, description } of groups) {
    const id = idOf(domainId, 'group', externalId);
    const row = { id, domain_id: domainId, name, description: description ?? '', extra: '{}' };
    await transaction
      .insertInto('identity_group')
      .values(row)
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet({ name, description: row.description }),
      )
      .execute();
    await transaction
      .insertInto('identity_membership')
      .values({ user_id: user.id, group_id: id })
      .execute();
  }
}
