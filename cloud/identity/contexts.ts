/** A user in a scope, as it stands now: names, whether all of it is enabled, and the roles. Remembered until anything changes. */
import { LRUCache } from 'lru-cache';
import type { IdentityCore } from './core.ts';
import { expiriesOf } from './resources/actors/user-passwords.ts';
import { rulesOf } from './resources/credentials/access-rules.ts';
import { findUsableTrust, trustRoles } from './resources/roles/trust-rows.ts';
import { effectiveRoles, lineageOf, type RoleRef } from './roles.ts';
import type { ProjectRow } from './tables.ts';
import { isoTime } from './times.ts';
import type { FederatedClaims, TokenScope } from './tokens/claims.ts';

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
    | {
        readonly id: string;
        readonly name: string;
        readonly unrestricted: boolean;
        /** The only requests it is good for; nothing for all. */
        readonly accessRules: readonly AccessRule[] | undefined;
      }
    | undefined;
  /** The delegation it is of; the user is the trustor when that one impersonates. */
  readonly trust: TrustRef | undefined;
  /** When it ends by itself, whatever a token says. */
  readonly expiresAtUs: number | undefined;
}

export interface TrustRef {
  readonly id: string;
  readonly trustorUserId: string;
  readonly trusteeUserId: string;
  readonly impersonation: boolean;
  readonly redelegationCount: number;
}

export interface AccessRule {
  readonly id: string;
  readonly service: string;
  readonly method: string;
  readonly path: string;
}

export interface ContextQuestion {
  readonly userId: string;
  readonly scope: TokenScope;
  readonly applicationCredentialId?: string;
  readonly trustId?: string;
  readonly federated?: FederatedClaims;
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
    const nowUs = this.core.clock.nowUs();
    if (remembered?.epoch === epoch && nowUs < (remembered.context.expiresAtUs ?? Infinity))
      return remembered.context;
    const context = await this.load(question);
    if (context === undefined) this.known.delete(key);
    // Membership that a provider vouched for ends by the clock too, and says not when.
    else if (question.federated === undefined) this.known.set(key, { epoch, context });
    return context;
  }

  private async load(question: ContextQuestion): Promise<Context | undefined> {
    const user = await this.loadUser(question.userId);
    const scope = user === undefined ? undefined : await this.loadScope(question.scope);
    if (user === undefined || scope === undefined) return undefined;
    const bare = { user, scope, roles: [], ...unlimited };
    if (question.trustId !== undefined) return this.narrowToTrust(bare, question.trustId);
    if (scope.kind === 'unscoped')
      return question.federated === undefined || (await this.vouches(question.federated.idpId))
        ? bare
        : undefined;
    const target =
      scope.kind === 'system' ? { type: 'system' as const } : { type: scope.kind, id: scope.id };
    const { federated } = question;
    if (federated !== undefined && !(await this.vouches(federated.idpId))) return undefined;
    const roles = await effectiveRoles(this.core.db, user.id, target, {
      nowUs: this.core.clock.nowUs(),
      ...(federated === undefined ? {} : { groupIds: federated.groupIds }),
    });
    const context = { ...bare, roles };
    const narrowed =
      question.applicationCredentialId === undefined
        ? context
        : await this.narrow(context, question.applicationCredentialId);
    return narrowed === undefined || narrowed.roles.length === 0 ? undefined : narrowed;
  }

  /** A provider that is disabled or gone takes back what it said of its users. */
  private async vouches(providerId: string): Promise<boolean> {
    const row = await this.core.db
      .selectFrom('identity_provider')
      .select('enabled')
      .where('id', '=', providerId)
      .executeTakeFirst();
    return row?.enabled === 1;
  }

  /** A trust is good as long as both its users are, and the trustor still holds every role it gives. */
  private async narrowToTrust(context: Context, trustId: string): Promise<Context | undefined> {
    const { db } = this.core;
    const trust = await findUsableTrust(this.core, db, trustId);
    if (trust === undefined) return undefined;
    const impersonation = trust.impersonation === 1;
    const { trustor_user_id: trustorId, trustee_user_id: trusteeId } = trust;
    if (context.user.id !== (impersonation ? trustorId : trusteeId)) return undefined;
    const other = await this.loadUser(impersonation ? trusteeId : trustorId);
    const { scope } = context;
    const projectId = scope.kind === 'project' ? scope.id : null;
    if (other === undefined || trust.project_id !== projectId) return undefined;
    const roles = await trustRoles(this.core, trust);
    if (roles === undefined) return undefined;
    return {
      ...context,
      roles,
      expiresAtUs: trust.expires_at_us ?? undefined,
      trust: {
        id: trust.id,
        trustorUserId: trustorId,
        trusteeUserId: trusteeId,
        impersonation,
        redelegationCount: trust.redelegation_count,
      },
    };
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
    const accessRules = await rulesOf(this.core.db, credential);
    return {
      ...context,
      roles,
      expiresAtUs: credential.expires_at_us ?? undefined,
      applicationCredential: { id, name, unrestricted: unrestricted === 1, accessRules },
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
    const expiresUs = (await expiriesOf(db, [userId])).get(userId);
    return {
      id: user.id,
      name: user.name,
      domain: { id: domain.id, name: domain.name },
      passwordExpiresAt: expiresUs === undefined ? null : isoTime(expiresUs),
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

const unlimited = {
  applicationCredential: undefined,
  trust: undefined,
  expiresAtUs: undefined,
} as const;

function keyOf(question: ContextQuestion): string {
  const { scope } = question;
  const where =
    scope.kind === 'project' ? scope.projectId : scope.kind === 'domain' ? scope.domainId : '';
  return JSON.stringify([
    question.userId,
    scope.kind,
    where,
    question.applicationCredentialId ?? '',
    question.trustId ?? '',
  ]);
}
