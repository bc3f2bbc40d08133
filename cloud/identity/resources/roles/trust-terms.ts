/** What a trust may say: its fields, and that what is handed on is never more than what was given. */
import Type, { type Static } from 'typebox';
import type { Db, IdentityCore } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { TrustRow } from '../../tables.ts';
import { parseIsoTime } from '../../times.ts';
import * as fields from '../fields.ts';
import { pedigreeOf, roleIdsOf } from './trust-rows.ts';

export const given = Type.Object({
  trustor_user_id: Type.String({ minLength: 1, maxLength: 64 }),
  trustee_user_id: Type.String({ minLength: 1, maxLength: 64 }),
  impersonation: Type.Boolean(),
  project_id: Type.Optional(fields.nullable(fields.id)),
  remaining_uses: Type.Optional(fields.nullable(Type.Integer({ minimum: 1 }))),
  expires_at: Type.Optional(fields.nullable(Type.String({ maxLength: 64 }))),
  allow_redelegation: Type.Optional(fields.nullable(Type.Boolean())),
  redelegation_count: Type.Optional(fields.nullable(Type.Integer({ minimum: 0 }))),
  roles: Type.Optional(
    Type.Array(
      Type.Object(
        { id: Type.Optional(fields.id), name: Type.Optional(fields.name) },
        { additionalProperties: false, minProperties: 1, maxProperties: 1 },
      ),
      { maxItems: 100 },
    ),
  ),
});
export type Given = Static<typeof given>;

export const forbid = (why: string) => identityFailure('forbidden', { why });

type Terms = Pick<TrustRow, 'expires_at_us' | 'remaining_uses' | 'redelegation_count'>;

/** How long, how often and how far a new trust goes. */
export async function termsOf(
  core: IdentityCore,
  trust: Given,
  parent: TrustRow | undefined,
  roleIds: readonly string[],
  db: Db,
): Promise<Terms> {
  const max = core.settings.redelegationsMax;
  const asked = trust.redelegation_count ?? undefined;
  const redelegatable = trust.allow_redelegation === true && asked !== 0;
  const uses = trust.remaining_uses ?? null;
  if (redelegatable && asked !== undefined && asked > max)
    throw forbid(`Requested redelegation depth of ${asked} is greater than allowed ${max}`);
  if (redelegatable && uses !== null)
    throw identityFailure('schema-invalid', {
      detail: 'remaining_uses must not be set if redelegation is allowed',
    });
  const expiresUs = expiryOf(core, trust.expires_at);
  if (parent === undefined) {
    const count = redelegatable ? (asked ?? max) : 0;
    return { expires_at_us: expiresUs, remaining_uses: uses, redelegation_count: count };
  }
  const left = parent.redelegation_count - 1;
  if (redelegatable && asked !== undefined && asked !== left)
    throw forbid(
      'Modifying "redelegation_count" upon redelegation is forbidden. Omitting this parameter is advised.',
    );
  const pedigree = await pedigreeOf(db, parent);
  for (const above of pedigree) refuseBeyond(above, { trust, expiresUs, roleIds, max });
  return {
    expires_at_us: expiresUs ?? earliest(pedigree),
    remaining_uses: null,
    redelegation_count: redelegatable ? left : 0,
  };
}

function expiryOf(core: IdentityCore, text: string | null | undefined): number | null {
  if (text === undefined || text === null) return null;
  const us = parseIsoTime(text);
  if (us === undefined)
    throw identityFailure('schema-invalid', {
      detail: 'The specified expiration time is not in the expected format.',
    });
  if (us <= core.clock.nowUs())
    throw identityFailure('schema-invalid', { detail: "'expires_at' must not be before now." });
  return us;
}

const earliest = (pedigree: readonly TrustRow[]): number | null =>
  pedigree.reduce<number | null>((least, { expires_at_us: us }) => {
    if (us === null) return least;
    return least === null ? us : Math.min(least, us);
  }, null);

interface Beyond {
  readonly trust: Given;
  readonly expiresUs: number | null;
  readonly roleIds: readonly string[];
  readonly max: number;
}

/** What is handed on is never more than what was given: not longer, not wider, not deeper, not more as oneself. */
function refuseBeyond(above: TrustRow, { trust, expiresUs, roleIds, max }: Beyond): void {
  const depth = above.redelegation_count;
  if (depth <= 0 || depth > max)
    throw forbid(`Remaining redelegation depth of ${depth} out of allowed range of [0..${max}]`);
  if ((trust.remaining_uses ?? null) !== null)
    throw forbid(
      `Field "remaining_uses" is set to ${trust.remaining_uses} while it must not be set in order to redelegate a trust`,
    );
  if (expiresUs !== null && above.expires_at_us !== null && above.expires_at_us < expiresUs)
    throw forbid('Requested expiration time is more than redelegated trust can provide');
  const given = roleIdsOf(above);
  if (!roleIds.every((id) => given.includes(id)))
    throw forbid('Some of requested roles are not in redelegated trust');
  if (above.impersonation === 0 && trust.impersonation)
    throw forbid(
      `Impersonation is not allowed because redelegated trust does not specify impersonation. Redelegated trust id: ${above.id}`,
    );
}
