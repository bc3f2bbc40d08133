/** Which roles imply which others. */
import type { Route } from '../../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { Db, IdentityCore } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { RoleRow } from '../../tables.ts';
import { found, linked } from '../views.ts';
import { roles } from './roles.ts';

interface Pair {
  readonly prior: RoleRow;
  readonly implied: RoleRow;
}

const summary = (request: Request, row: RoleRow) =>
  linked(request, 'roles', { id: row.id, name: row.name });

const selfOf = (request: Request) => ({ self: `${request.baseUrl}${request.url}` });

const inference = (request: Request, { prior, implied }: Pair) => ({
  body: {
    role_inference: { prior_role: summary(request, prior), implies: summary(request, implied) },
    links: selfOf(request),
  },
});

const impliedBy = (db: Db, priorId: string): Promise<RoleRow[]> =>
  db
    .selectFrom('identity_role')
    .innerJoin('identity_implied_role', 'identity_implied_role.implied_role_id', 'identity_role.id')
    .selectAll('identity_role')
    .where('identity_implied_role.prior_role_id', '=', priorId)
    .orderBy('identity_role.name')
    .execute();

/** Both roles, and that the one implies the other. */
async function thePair(request: Request, db: Db): Promise<Pair> {
  const pair = await theRoles(request, db);
  const rows = await impliedBy(db, pair.prior.id);
  found(
    rows.find((row) => row.id === pair.implied.id),
    'implied role',
    `${pair.prior.id} implies ${pair.implied.id}`,
  );
  return pair;
}

const theRoles = async (request: Request, db: Db): Promise<Pair> => ({
  prior: await roles.get(db, parameter(request, 'role_id')),
  implied: await roles.get(db, parameter(request, 'implied_id')),
});

function refuseImplication({ prior, implied }: Pair): void {
  if (implied.name === 'admin')
    throw identityFailure('forbidden', {
      why: `${implied.id} cannot be an implied roles`,
    });
  if (prior.domain_id === '' && implied.domain_id !== '')
    throw identityFailure('forbidden', {
      why: 'Global role cannot imply a domain-specific role',
    });
}

export function impliedRoleRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const path = '/v3/roles/:role_id/implies/:implied_id';
  return [
    route({
      method: 'GET',
      path: '/v3/roles/:role_id/implies',
      policy: 'identity:list_implied_roles',
      handle: async (request) => {
        const prior = await roles.get(db, parameter(request, 'role_id'));
        const implies = (await impliedBy(db, prior.id)).map((row) => summary(request, row));
        return {
          body: {
            role_inference: { prior_role: summary(request, prior), implies },
            links: selfOf(request),
          },
        };
      },
    }),
    route({
      method: 'PUT',
      path,
      policy: 'identity:create_implied_role',
      handle: async (request) => {
        const pair = await core.change(async (transaction) => {
          const both = await theRoles(request, transaction);
          refuseImplication(both);
          await transaction
            .insertInto('identity_implied_role')
            .values({ prior_role_id: both.prior.id, implied_role_id: both.implied.id })
            .onConflict((conflict) => conflict.doNothing())
            .execute();
          return both;
        });
        return { status: 201, ...inference(request, pair) };
      },
    }),
    route({
      method: 'GET',
      path,
      policy: 'identity:get_implied_role',
      handle: async (request) => {
        const pair = await thePair(request, db);
        // Upstream's one HEAD that answers otherwise than its GET.
        return request.method === 'HEAD' ? { status: 204 } : inference(request, pair);
      },
    }),
    route({
      method: 'DELETE',
      path,
      policy: 'identity:delete_implied_role',
      handle: async (request) => {
        await core.change(async (transaction) => {
          const { prior, implied } = await thePair(request, transaction);
          await transaction
            .deleteFrom('identity_implied_role')
            .where('prior_role_id', '=', prior.id)
            .where('implied_role_id', '=', implied.id)
            .execute();
        });
        return { status: 204 };
      },
    }),
    route({
      method: 'GET',
      path: '/v3/role_inferences',
      policy: 'identity:list_role_inference_rules',
      handle: async (request) => {
        const priors = await db
          .selectFrom('identity_role')
          .selectAll()
          .where('id', 'in', (inner) =>
            inner.selectFrom('identity_implied_role').select('prior_role_id'),
          )
          .orderBy('name')
          .execute();
        const rules = [];
        for (const prior of priors) {
          const implies = (await impliedBy(db, prior.id)).map((row) => summary(request, row));
          rules.push({ prior_role: summary(request, prior), implies });
        }
        return { body: { role_inferences: rules, links: selfOf(request) } };
      },
    }),
  ];
}
