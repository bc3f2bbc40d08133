/** A token as the API shows it. */
import type { DomainRef } from '../../contexts.ts';
import type { IdentityCore } from '../../core.ts';
import { isoTime } from '../../times.ts';
import type { TokenInfo } from '../../tokens/tokens.ts';
import { catalogFor } from '../catalog/catalog.ts';
import { enabledServiceProviders } from '../federation/service-providers.ts';
import type { View } from '../views.ts';

const projectIdOf = (info: TokenInfo) =>
  info.scope.kind === 'project' ? info.scope.id : undefined;

const domainView = (ref: DomainRef) => ({ id: ref.id, name: ref.name });

export async function tokenView(
  core: IdentityCore,
  info: TokenInfo,
  catalog: boolean,
): Promise<View> {
  const { scope: at } = info;
  const providers = await enabledServiceProviders(core.db);
  return {
    methods: info.methods,
    user: userView(info),
    audit_ids: [...new Set(info.auditIds)],
    expires_at: isoTime(info.expiresAtUs),
    issued_at: isoTime(info.issuedAtUs),
    ...scopeView(info),
    ...(at.kind === 'unscoped' ? {} : { roles: info.roles }),
    ...(at.kind !== 'unscoped' && catalog
      ? { catalog: await catalogFor(core.db, projectIdOf(info)) }
      : {}),
    ...(providers.length === 0 ? {} : { service_providers: providers }),
    ...delegationView(info),
  };
}

function userView({ user, federated }: TokenInfo): View {
  const view = { id: user.id, name: user.name, domain: domainView(user.domain) };
  if (federated === undefined) return { ...view, password_expires_at: user.passwordExpiresAt };
  return {
    ...view,
    'OS-FEDERATION': {
      groups: federated.groupIds.map((id) => ({ id })),
      identity_provider: { id: federated.idpId },
      protocol: { id: federated.protocolId },
    },
  };
}

function scopeView({ scope: at, trust }: TokenInfo): View {
  switch (at.kind) {
    case 'unscoped':
      return {};
    case 'domain':
      return { domain: domainView(at) };
    case 'system':
      return { system: { all: true } };
    case 'project': {
      const project = { id: at.id, name: at.name, domain: domainView(at.domain) };
      return trust === undefined ? { project, is_domain: at.isDomain } : { project };
    }
  }
}

function delegationView({ applicationCredential: credential, trust }: TokenInfo): View {
  if (trust !== undefined)
    return {
      'OS-TRUST:trust': {
        id: trust.id,
        trustor_user: { id: trust.trustorUserId },
        trustee_user: { id: trust.trusteeUserId },
        impersonation: trust.impersonation,
      },
    };
  if (credential === undefined) return {};
  const rules = credential.accessRules;
  return {
    application_credential: {
      id: credential.id,
      name: credential.name,
      restricted: !credential.unrestricted,
      ...(rules === undefined ? {} : { access_rules: rules }),
    },
  };
}
