/**
 * A log-in by a provider's access token.
 *
 * 1. The provider and the protocol are registered here, and the provider is enabled.
 * 2. The token is one of the provider's issuers, in force, and says who its bearer is.
 * 3. The protocol's mapping makes of its claims a user and groups; a user of the provider's is made at the first time.
 *
 * Whatever is wrong, the answer is the same 401.
 */
import { type Authenticator, type Issued, missingFactors } from '../authenticate/authenticator.ts';
import { findDomainBy, findUserBy } from '../authenticate/references.ts';
import type { Db, IdentityCore } from '../core.ts';
import { identityFailure } from '../failures.ts';
import type { MappingRow, ProtocolRow, ProviderRow } from '../tables.ts';
import { assertionOf, type Mapped, mapAssertion } from './mapping.ts';
import type { Claims, OpenIdProviders } from './openid.ts';
import { ensureShadowUser, provisionProjects, renewMemberships } from './shadow-users.ts';

interface Trusted {
  readonly provider: ProviderRow;
  readonly protocol: ProtocolRow;
  readonly mapping: MappingRow;
}

// They travel in the token.
const groupsMax = 100;

const refused = () => identityFailure('unauthorized');

export class FederatedLogIns {
  private readonly core: IdentityCore;
  private readonly providers: OpenIdProviders;
  private readonly authenticator: Authenticator;

  constructor(core: IdentityCore, providers: OpenIdProviders, authenticator: Authenticator) {
    this.core = core;
    this.providers = providers;
    this.authenticator = authenticator;
  }

  async logIn(providerId: string, protocolId: string, bearer: string): Promise<Issued> {
    const trusted = await this.trusted(providerId, protocolId);
    if (trusted === undefined) throw refused();
    const issuers: unknown = JSON.parse(trusted.provider.remote_ids);
    const claims = await this.providers.claimsOf(
      bearer,
      Array.isArray(issuers) ? issuers.map(String) : [],
      this.core.settings.federationAudience,
    );
    const mapped = claims && mapAssertion(JSON.parse(trusted.mapping.rules), assertionOf(claims));
    if (claims === undefined || mapped === undefined) throw refused();
    return mapped.user.type === 'local'
      ? this.asLocalUser(trusted, mapped)
      : this.asShadowUser(trusted, mapped, claims);
  }

  private async trusted(providerId: string, protocolId: string): Promise<Trusted | undefined> {
    const { db } = this.core;
    const provider = await db
      .selectFrom('identity_provider')
      .selectAll()
      .where('id', '=', providerId)
      .where('enabled', '=', 1)
      .executeTakeFirst();
    const protocol = await db
      .selectFrom('identity_protocol')
      .selectAll()
      .where('idp_id', '=', providerId)
      .where('id', '=', protocolId)
      .executeTakeFirst();
    if (provider === undefined || protocol === undefined) return undefined;
    const mapping = await db
      .selectFrom('identity_mapping')
      .selectAll()
      .where('id', '=', protocol.mapping_id)
      .executeTakeFirst();
    return mapping && { provider, protocol, mapping };
  }

  /** The mapping says that this is a user who is here already. */
  private async asLocalUser({ protocol, provider }: Trusted, { user }: Mapped): Promise<Issued> {
    const domain = user.domain ?? { id: provider.domain_id };
    const row = await findUserBy(this.core.db, { ...user, domain });
    // Who has more factors here is not let in by one that is somebody else's.
    if (row === undefined || missingFactors(row, [protocol.id]).length > 0) throw refused();
    return this.authenticator.issueFor(
      { userId: row.id, methods: [protocol.id] },
      { kind: 'unscoped' },
    );
  }

  private async asShadowUser(
    { protocol, provider }: Trusted,
    mapped: Mapped,
    claims: Claims,
  ): Promise<Issued> {
    const uniqueId = mapped.user.id ?? mapped.user.name;
    if (uniqueId === undefined || uniqueId === '') throw refused();
    const groupIds = await groupIdsOf(this.core.db, mapped);
    if (groupIds === undefined || groupIds.length > groupsMax) throw refused();
    const user = await this.core.change(async (transaction) => {
      const row = await ensureShadowUser(this.core, transaction, {
        provider,
        protocolId: protocol.id,
        uniqueId,
        displayName: mapped.user.name ?? uniqueId,
        email: mapped.user.email,
      });
      await renewMemberships(this.core, transaction, row, { provider, groupIds });
      await provisionProjects(this.core, transaction, row, { provider, projects: mapped.projects });
      return row;
    });
    this.core.log.info(
      { userId: user.id, provider: provider.id, subject: claims.sub },
      'federated',
    );
    const federated = { idpId: provider.id, protocolId: protocol.id, groupIds };
    return this.authenticator.issueFor(
      { userId: user.id, methods: [protocol.id], federated },
      { kind: 'unscoped' },
    );
  }
}

/** The ids of the groups a mapping gives; nothing when one of those named by id is not there. */
async function groupIdsOf(db: Db, mapped: Mapped): Promise<string[] | undefined> {
  const ids = new Set<string>();
  for (const id of mapped.groupIds) {
    const row = await db
      .selectFrom('identity_group')
      .select('id')
      .where('id', '=', id)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    ids.add(id);
  }
  for (const { name, domain } of mapped.groups) {
    const domainId = await findDomainBy(db, domain);
    const row = await db
      .selectFrom('identity_group')
      .select('id')
      .where('domain_id', '=', domainId ?? '')
      .where('name', '=', name)
      .executeTakeFirst();
    // As upstream: a group by a name that is not there is left out, as providers name many.
    if (row !== undefined) ids.add(row.id);
  }
  return [...ids];
}
