/** What was revoked: rows in the state, and the same in memory, where every validation looks. */
import type { Kysely, Transaction } from 'kysely';
import { type Random, randomUuid } from '#common';
import type { IdentityTables, RevocationRow } from '../tables.ts';
import type { TokenClaims } from './claims.ts';

export type Revocation =
  | { readonly auditId: string }
  | { readonly auditChainId: string }
  | { readonly userId: string; readonly issuedBeforeUs: number };

export class Revocations {
  private auditIds = new Set<string>();
  private chainIds = new Set<string>();
  private userCutoffsUs = new Map<string, number>();

  async reload(db: Kysely<IdentityTables>, nowUs: number): Promise<void> {
    const rows = await db
      .selectFrom('identity_revocation')
      .selectAll()
      .where('forget_at_us', '>', nowUs)
      .execute();
    this.auditIds = new Set();
    this.chainIds = new Set();
    this.userCutoffsUs = new Map();
    for (const row of rows) this.remember(row);
  }

  /** Writes one revocation and drops those that no living token can meet. */
  async add(
    transaction: Transaction<IdentityTables>,
    revocation: Revocation,
    when: { readonly nowUs: number; readonly tokenLifetimeS: number; readonly random: Random },
  ): Promise<void> {
    await transaction
      .deleteFrom('identity_revocation')
      .where('forget_at_us', '<=', when.nowUs)
      .execute();
    await transaction
      .insertInto('identity_revocation')
      .values({
        id: randomUuid(when.random),
        audit_id: 'auditId' in revocation ? revocation.auditId : null,
        audit_chain_id: 'auditChainId' in revocation ? revocation.auditChainId : null,
        user_id: 'userId' in revocation ? revocation.userId : null,
        issued_before_us: 'userId' in revocation ? revocation.issuedBeforeUs : null,
        // A minute more, for controllers whose clocks differ.
        forget_at_us: when.nowUs + (when.tokenLifetimeS + 60) * 1e6,
      })
      .execute();
  }

  covers(claims: TokenClaims): boolean {
    const [auditId, chainId] = claims.auditIds;
    if (this.auditIds.has(auditId) || this.chainIds.has(chainId)) return true;
    const cutoffUs = this.userCutoffsUs.get(claims.userId);
    return cutoffUs !== undefined && claims.issuedAtUs <= cutoffUs;
  }

  private remember(row: RevocationRow): void {
    if (row.audit_id !== null) this.auditIds.add(row.audit_id);
    if (row.audit_chain_id !== null) this.chainIds.add(row.audit_chain_id);
    if (row.user_id !== null && row.issued_before_us !== null) {
      const known = this.userCutoffsUs.get(row.user_id) ?? 0;
      this.userCutoffsUs.set(row.user_id, Math.max(known, row.issued_before_us));
    }
  }
}
