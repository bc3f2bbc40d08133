/** A user in a scope, as it stands now: names, whether all of it is enabled, and the roles. Remembered until anything changes. */
import { LRUCache } from 'lru-cache';
import type { IdentityCore } from './core.ts';
import { effectiveRoles, lineageOf, type RoleRef } from './roles.ts';
import type { ProjectRow } from './tables.ts';
import { isoTime } from './times.ts';
import type { TokenScope } from './tokens/claims.ts';

export interface DomainRef {
  readonly id: string;
  readonly name: string;
}

export interface UserRef {
  readonly id: string;
  readonly name: string;
  readonly domain: DomainRef;
  readonly passwordExpiresAt: string | null;
}

export type ScopeInfo =
  | { readonly kind: 'unscoped' }
  | {
      readonly kind: 'project';
      readonly id: string;
      readonly name: string;
      readonly domain: DomainRef;
      readonly isDomain: boolean;
    }
  | { readonly kind: 'domain'; readonly id: string; readonly name: string }
  | { readonly kind: 'system' };

export interface Context {
  readonly user: UserRef;
  readonly scope: ScopeInfo;
  readonly roles: readonly RoleRef[];
  readonly applicationCredential:
    | { readonly id: string; readonly name: string; readonly unrestricted: boolean }
    | undefined;
}

export interface ContextQuestion {
  readonly userId: string;
  readonly scope: TokenScope;
  readonly applicationCredentialId?: string;
}

export class Contexts {
  private readonly core: IdentityCore;
  private readonly known: LRUCache<string, { readonly epoch: number; readonly context: Context }>;

  constructor(core: IdentityCore) {
    this.core = core;
    this.known = new LRUCache({ max: core.settings.contextsMax });
  }

  /** Nothing when the user, the scope or a domain of theirs is missing or disabled, or no role is left in the scope. */
  async resolve(question: ContextQuestion): Promise<Context | undefined> {
    const key = keyOf(question);
    const remembered = this.known.get(key);
    const { epoch } = this.core;
    // Expiry of an application credential is a matter of time, not of change.
    if (remembered?.epoch === epoch) return remembered.context;
    const context = await this.load(question);
    if (context === undefined) this.known.delete(key);
    else if (question.applicationCredentialId === undefined)
      this.known.set(key, { epoch, context });
    return context;
  }

  private async load(question: ContextQuestion): Promise<Context | undefined> {
    const user = await this.loadUser(question.userId);
    const scope = user === undefined ? undefined : await this.loadScope(question.scope);
    if (user === undefined || scope === undefined) return undefined;
    if (scope.kind === 'unscoped')
      return { user, scope, roles: [], applicationCredential: undefined };
    const target =
      scope.kind === 'system' ? { type: 'system' as const } : { type: scope.kind, id: scope.id };
    const roles = await effectiveRoles(this.core.db, user.id, target);
    const context = { user, scope, roles, applicationCredential: undefined };
    const narrowed =
      question.applicationCredentialId === undefined
        ? context
        : await this.narrow(context, question.applicationCredentialId);
    return narrowed === undefined || narrowed.roles.length === 0 ? undefined : narrowed;
  }

  /** An application credential carries no role that its user has lost. */
  private async narrow(context: Context, credentialId: string): Promise<Context | undefined> {
    const credential = await this.core.db
      .selectFrom('identity_application_credential')
      .selectAll()
      .where('id', '=', credentialId)
      .where('user_id', '=', context.user.id)
      .executeTakeFirst();
    if (credential === undefined) return undefined;
    const { scope } = context;
    if (scope.kind !== 'project' || scope.id !== credential.project_id) return undefined;
    const nowUs = this.core.clock.nowUs();
    if (credential.expires_at_us !== null && credential.expires_at_us <= nowUs) return undefined;
    const allowed: unknown = JSON.parse(credential.role_ids);
    const roles = context.roles.filter(
      (role) => Array.isArray(allowed) && allowed.includes(role.id),
    );
    const { id, name, unrestricted } = credential;
    return {
      ...context,
      roles,
      applicationCredential: { id, name, unrestricted: unrestricted === 1 },
    };
  }

  private async loadUser(userId: string): Promise<UserRef | undefined> {
    const { db } = this.core;
    const user = await db
      .selectFrom('identity_user')
      .select(['id', 'name', 'domain_id', 'enabled'])
      .where('id', '=', userId)
      .executeTakeFirst();
    if (user === undefined || user.enabled === 0) return undefined;
    const domain = await this.loadProject(user.domain_id);
    if (domain === undefined) return undefined;
    const password = await db
      .selectFrom('identity_password')
      .select('expires_at_us')
      .where('user_id', '=', userId)
      .orderBy('created_at_us', 'desc')
      .executeTakeFirst();
    const expiresUs = password?.expires_at_us ?? null;
    return {
      id: user.id,
      name: user.name,
      domain: { id: domain.id, name: domain.name },
      passwordExpiresAt: expiresUs === null ? null : isoTime(expiresUs),
    };
  }

  private async loadScope(scope: TokenScope): Promise<ScopeInfo | undefined> {
    if (scope.kind === 'unscoped' || scope.kind === 'system') return scope;
    const id = scope.kind === 'project' ? scope.projectId : scope.domainId;
    const row = await this.loadProject(id);
    if (row === undefined) return undefined;
    if (scope.kind === 'domain')
      return row.is_domain === 1 ? { kind: 'domain', id: row.id, name: row.name } : undefined;
    // A disabled domain or ancestor disables what is below it.
    const lineage = await lineageOf(this.core.db, row.id);
    if (lineage.some((ancestor) => ancestor.enabled === 0)) return undefined;
    const domain = row.is_domain === 1 ? row : lineage.find((above) => above.id === row.domain_id);
    if (domain === undefined) return undefined;
    return {
      kind: 'project',
      id: row.id,
      name: row.name,
      domain: { id: domain.id, name: domain.name },
      isDomain: row.is_domain === 1,
    };
  }

  private loadProject(id: string): Promise<ProjectRow | undefined> {
    return this.core.db
      .selectFrom('identity_project')
      .selectAll()
      .where('id', '=', id)
      .where('enabled', '=', 1)
      .executeTakeFirst();
  }
}

function keyOf(question: ContextQuestion): string {
  const { scope } = question;
  const where =
    scope.kind === 'project' ? scope.projectId : scope.kind === 'domain' ? scope.domainId : '';
  return JSON.stringify([
    question.userId,
    scope.kind,
    where,
    question.applicationCredentialId ?? '',
  ]);
}
