/** Subnet pools: prefixes that subnets are cut from; and address scopes, in which no two pools mean the same addresses. */
import type { Caller, Route } from '#cloud/api';
import { bitsOf, cidrOf, overlaps, versionOf } from '../addresses/ip.ts';
import { type Asker, askerOf, type Request, route } from '../caller.ts';
import type { NetworkCore, Tx } from '../core.ts';
import { badRequest, fail } from '../failures.ts';
import { decided, type Input, open, required, shown, standard } from '../model/attributes.ts';
import type { AddressScope, SubnetPool } from '../model/documents.ts';
import { notFound } from '../model/not-found.ts';
import { getVisible } from '../model/policing.ts';
import {
  cidr,
  flag,
  listOf,
  name,
  notEmpty,
  oneOf,
  orNull,
  toNumber,
  uuid,
  whole,
} from '../model/readers.ts';
import type { Change, Resource } from '../model/resource.ts';
import { AnyBody, param } from '../model/routes.ts';
import { mayUse, sharedWith } from '../model/sharing.ts';
import { plainView } from '../model/views.ts';
import { shareWith, unshare } from './rbac-grants.ts';

const length = whole(0, 128);
const prefixes = listOf(cidr, 64);

const poolAttributes = {
  ...standard(notEmpty(255)),
  name: required(notEmpty(255), { put: true }),
  prefixes: required(prefixes, { put: true, filter: false, sort: false }),
  ip_version: shown(),
  default_prefixlen: decided(length, { put: true }),
  min_prefixlen: decided(length, { put: true }),
  max_prefixlen: decided(length, { put: true }),
  default_quota: decided(orNull(whole(0, 2_147_483_647)), { put: true }),
  address_scope_id: open(orNull(uuid), null),
  is_default: open(flag, false),
  shared: { ...open(flag, false), put: false },
};

const scopeAttributes = {
  ...standard(name),
  ip_version: required(oneOf([4, 6], toNumber)),
  shared: open(flag, false),
};

export function subnetPools(core: NetworkCore): Resource<'subnetpool'> {
  return {
    kind: 'subnetpool',
    member: 'subnetpool',
    collection: 'subnetpools',
    path: '/v2.0/subnetpools',
    rule: 'subnetpool',
    attributes: poolAttributes,
    sharedAs: 'subnetpool',
    indexed: { name: 'name', address_scope_id: 'address_scope_id' },
    views: async (db, documents, asker) => {
      const shared = await sharedWith(core, db, 'subnetpool', asker.projectId);
      return documents.map((pool) => ({
        ...plainView(poolAttributes, pool),
        shared: shared.has(pool.id),
      }));
    },
    create: (tx, values, change) => createPool(core, tx, values, change),
    update: (tx, before, values, { asker }) => updatePool(core, tx, before, values, asker),
    remove: async (tx, pool) => {
      const used = await core.list(tx, 'subnet', { by: { subnetpool_id: pool.id } });
      if (used.length > 0)
        throw fail(
          'subnet-pool-delete-error',
          `Unable to delete subnet pool: Subnet pool has existing allocations.`,
        );
      await unshare(core, tx, pool.id);
      await core.remove(tx, pool);
    },
    lock: () => 'network subnets',
  };
}

async function createPool(
  core: NetworkCore,
  tx: Tx,
  values: Input,
  { asker }: Change,
): Promise<SubnetPool> {
  const { shared, ...given } = values as Partial<SubnetPool> & Input & { shared: boolean };
  const list = given.prefixes ?? [];
  const [first] = list;
  if (first === undefined) throw badRequest('Bad subnetpool request: Subnet pool has no prefixes.');
  const version = versionOf(first);
  const min = given.min_prefixlen ?? (version === 4 ? 8 : 64);
  const pool: SubnetPool = {
    ...(given as SubnetPool),
    id: core.newId(),
    prefixes: list,
    ip_version: version,
    min_prefixlen: min,
    max_prefixlen: given.max_prefixlen ?? bitsOf(version),
    default_prefixlen: given.default_prefixlen ?? min,
    default_quota: given.default_quota ?? null,
  };
  checkShape(pool);
  await checkDefault(core, tx, pool);
  await checkScope(core, tx, pool, asker);
  const made = await core.insert(tx, 'subnetpool', pool);
  await core.count(tx, 'subnetpool', made);
  if (shared) await shareWith(core, tx, made, '*', 'access_as_shared', 'subnetpool');
  return made;
}

function checkShape(pool: SubnetPool): void {
  if (pool.prefixes.some((one) => versionOf(one) !== pool.ip_version))
    throw badRequest('Bad subnetpool request: Cannot mix IPv4 and IPv6 prefixes in a subnet pool.');
  const cidrs = pool.prefixes.map(cidrOf);
  if (cidrs.some((one, at) => cidrs.some((other, index) => index !== at && overlaps(one, other))))
    throw badRequest('Bad subnetpool request: prefixes overlap.');
  const { min_prefixlen: min, max_prefixlen: max, default_prefixlen: usual } = pool;
  const limit = bitsOf(pool.ip_version);
  if (max > limit || min > max || usual < min || usual > max)
    throw fail(
      'illegal-subnet-pool-prefix-bounds',
      `Illegal prefix bounds: min_prefixlen=${min}, default_prefixlen=${usual}, max_prefixlen=${max}.`,
    );
}

async function checkDefault(core: NetworkCore, tx: Tx, pool: SubnetPool): Promise<void> {
  if (!pool.is_default) return;
  const others = await core.list(tx, 'subnetpool');
  const other = others.find(
    (one) => one.is_default && one.ip_version === pool.ip_version && one.id !== pool.id,
  );
  if (other !== undefined)
    throw fail(
      'default-subnetpool-exists',
      `A default subnetpool for this IP family has already been set. Only one default may exist per IP family`,
    );
}

async function checkScope(
  core: NetworkCore,
  tx: Tx,
  pool: SubnetPool,
  asker: Asker,
): Promise<void> {
  if (pool.address_scope_id === null) return;
  const scope = await core.find(tx, 'address_scope', pool.address_scope_id);
  if (scope === undefined || !(await mayUse(core, tx, scope, 'address_scope', asker)))
    throw notFound('address_scope', pool.address_scope_id);
  if (scope.ip_version !== pool.ip_version)
    throw fail(
      'illegal-subnet-pool-association-to-address-scope',
      `Illegal subnetpool association: subnetpool ${pool.id} cannot be associated with address scope ${scope.id} because subnetpool ip_version is not ${scope.ip_version}.`,
    );
  const others = await core.list(tx, 'subnetpool', { by: { address_scope_id: scope.id } });
  const cidrs = pool.prefixes.map(cidrOf);
  const clash = others.find(
    (other) =>
      other.id !== pool.id &&
      other.prefixes.some((one) => cidrs.some((own) => overlaps(own, cidrOf(one)))),
  );
  if (clash !== undefined)
    throw fail(
      'address-scope-update-error',
      `Subnet pool ${pool.id} cannot be associated with address scope ${scope.id} because its prefixes overlap with those of subnet pool ${clash.id}.`,
    );
}

async function updatePool(
  core: NetworkCore,
  tx: Tx,
  before: SubnetPool,
  values: Input,
  asker: Asker,
): Promise<SubnetPool> {
  const wanted: SubnetPool = { ...before, ...(values as Partial<SubnetPool>) };
  const lost = before.prefixes.filter(
    (one) =>
      !wanted.prefixes
        .map(cidrOf)
        .some((prefix) => prefix.first <= cidrOf(one).first && prefix.last >= cidrOf(one).last),
  );
  if (lost.length > 0)
    throw fail(
      'illegal-subnet-pool-update',
      `Illegal subnetpool update : Existing prefixes must be a subset of the new prefixes.`,
    );
  checkShape(wanted);
  await checkDefault(core, tx, wanted);
  await checkScope(core, tx, wanted, asker);
  return await core.update(tx, 'subnetpool', before, values);
}

export function addressScopes(core: NetworkCore): Resource<'address_scope'> {
  return {
    kind: 'address_scope',
    member: 'address_scope',
    collection: 'address_scopes',
    path: '/v2.0/address-scopes',
    rule: 'address_scope',
    attributes: scopeAttributes,
    sharedAs: 'address_scope',
    indexed: { name: 'name' },
    views: async (db, documents, asker) => {
      const shared = await sharedWith(core, db, 'address_scope', asker.projectId);
      return documents.map((scope) => ({
        ...plainView(scopeAttributes, scope),
        shared: shared.has(scope.id),
      }));
    },
    create: async (tx, values) => {
      const { shared, ...given } = values as unknown as AddressScope & { shared: boolean };
      const scope = await core.insert(tx, 'address_scope', { ...given, id: core.newId() });
      if (shared) await shareWith(core, tx, scope, '*', 'access_as_shared', 'address_scope');
      return scope;
    },
    update: async (tx, before, values) => {
      const { shared, ...given } = values;
      if (shared === false)
        throw fail(
          'address-scope-update-error',
          `Unable to update address scope ${before.id} : Shared address scope can't be unshared`,
        );
      if (shared === true)
        await shareWith(core, tx, before, '*', 'access_as_shared', 'address_scope');
      return await core.update(tx, 'address_scope', before, given);
    },
    remove: async (tx, scope) => {
      const used = await core.list(tx, 'subnetpool', { by: { address_scope_id: scope.id } });
      if (used.length > 0)
        throw fail(
          'address-scope-in-use',
          `Unable to complete operation on address scope ${scope.id}. There are one or more subnet pools in use on the address scope`,
        );
      await unshare(core, tx, scope.id);
      await core.remove(tx, scope);
    },
  };
}

/** `add_prefixes`, `remove_prefixes` of a pool. */
export function subnetPoolActions(core: NetworkCore): Route<Caller>[] {
  const resource = subnetPools(core);
  const action = (verb: string, next: (pool: SubnetPool, given: readonly string[]) => string[]) =>
    route({
      method: 'PUT',
      path: `/v2.0/subnetpools/:id/${verb}`,
      policy: 'any-token',
      body: AnyBody,
      handle: async (request: Request) => {
        const asker = askerOf(request);
        const given = prefixes((request.body as Input).prefixes ?? null) as string[];
        const changed = await core.change(async (tx) => {
          const { document, target } = await getVisible(
            core,
            tx,
            resource,
            param(request, 'id'),
            asker,
          );
          if (!asker.may(verb, target))
            throw fail('policy-not-authorized', `rule:${verb} is disallowed by policy`);
          const taken = (await core.list(tx, 'subnet', { by: { subnetpool_id: document.id } })).map(
            (one) => cidrOf(one.cidr),
          );
          const wanted = { ...document, prefixes: next(document, given) };
          const gone = given.map(cidrOf);
          if (
            verb === 'remove_prefixes' &&
            taken.some((one) => gone.some((other) => overlaps(one, other)))
          )
            throw fail(
              'illegal-subnet-pool-update',
              'Illegal subnetpool update : One or more subnets have been allocated from the removed prefixes.',
            );
          checkShape(wanted);
          await checkScope(core, tx, wanted, asker);
          return await core.update(tx, 'subnetpool', document, { prefixes: wanted.prefixes });
        }, 'network subnets');
        return { body: { prefixes: changed.prefixes } };
      },
    });
  return [
    action('add_prefixes', (pool, given) => [...new Set([...pool.prefixes, ...given])]),
    action('remove_prefixes', (pool, given) => pool.prefixes.filter((one) => !given.includes(one))),
  ];
}
