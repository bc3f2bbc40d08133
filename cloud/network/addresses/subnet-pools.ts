/** A subnet's prefix out of a subnet pool. */
import type { Asker } from '../caller.ts';
import type { NetworkCore, Tx } from '../core.ts';
import { badRequest, fail } from '../failures.ts';
import type { SubnetPool } from '../model/documents.ts';
import { notFound } from '../model/not-found.ts';
import { mayUse } from '../model/sharing.ts';
import { bitsOf, type Cidr, cidrAt, cidrOf, overlaps, renderCidr } from './ip.ts';

export interface PoolRequest {
  readonly id: string;
  readonly version: 4 | 6;
  readonly asker: Asker;
  readonly poolId: string | undefined;
  readonly byDefault: boolean;
  readonly cidr: string | undefined;
  readonly prefixLength: number | undefined;
}

export async function takeFromPool(
  core: NetworkCore,
  tx: Tx,
  wanted: PoolRequest,
): Promise<{ readonly cidr: string; readonly poolId: string }> {
  const pool = await poolFor(core, tx, wanted);
  if (pool.ip_version !== wanted.version)
    throw fail(
      'bad-request',
      `Bad subnets request: Cannot allocate IPv${wanted.version} subnet from IPv${pool.ip_version} subnet pool`,
    );
  const length =
    wanted.cidr === undefined
      ? (wanted.prefixLength ?? pool.default_prefixlen)
      : cidrOf(wanted.cidr).prefixLength;
  if (length < pool.min_prefixlen)
    throw fail(
      'minimum-prefix-subnet-allocation-error',
      `Unable to allocate subnet with prefix length ${length}, minimum allowed prefix is ${pool.min_prefixlen}.`,
    );
  if (length > pool.max_prefixlen)
    throw fail(
      'maximum-prefix-subnet-allocation-error',
      `Unable to allocate subnet with prefix length ${length}, maximum allowed prefix is ${pool.max_prefixlen}.`,
    );
  const taken = (await core.list(tx, 'subnet', { by: { subnetpool_id: pool.id } })).map((one) =>
    cidrOf(one.cidr),
  );
  await checkQuota(core, tx, pool, wanted.asker, length);
  const found =
    wanted.cidr === undefined
      ? freePrefix(pool, taken, length)
      : thisPrefix(pool, taken, wanted.cidr);
  if (found === undefined)
    throw fail(
      'subnet-allocation-error',
      'Failed to allocate subnet: Insufficient prefix space to allocate subnet size /' +
        length +
        '.',
    );
  return { cidr: renderCidr(found), poolId: pool.id };
}

async function poolFor(
  core: NetworkCore,
  tx: Tx,
  { poolId, byDefault, version, asker }: PoolRequest,
): Promise<SubnetPool> {
  if (poolId !== undefined) {
    const pool = await core.find(tx, 'subnetpool', poolId);
    if (pool === undefined || !(await mayUse(core, tx, pool, 'subnetpool', asker)))
      throw notFound('subnetpool', poolId);
    return pool;
  }
  if (!byDefault)
    throw badRequest(
      'Bad subnets request: a subnetpool must be specified in the absence of a cidr.',
    );
  const pools = await core.list(tx, 'subnetpool');
  const pool = pools.find((one) => one.is_default && one.ip_version === version);
  if (pool === undefined)
    throw badRequest(`Bad subnets request: No default subnetpool found for IPv${version}.`);
  return pool;
}

async function checkQuota(
  core: NetworkCore,
  tx: Tx,
  pool: SubnetPool,
  asker: Asker,
  length: number,
): Promise<void> {
  if (pool.default_quota === null) return;
  const own = (await core.list(tx, 'subnet', { by: { subnetpool_id: pool.id } })).filter(
    (one) => one.project_id === asker.projectId,
  );
  const unit = pool.ip_version === 4 ? 32 : 64;
  const size = (prefixLength: number) => 2 ** Math.max(0, unit - prefixLength);
  const used = own.reduce((sum, one) => sum + size(cidrOf(one.cidr).prefixLength), 0);
  if (used + size(length) > pool.default_quota)
    throw fail('subnet-pool-quota-exceeded', 'Per-tenant subnet pool prefix quota exceeded.');
}

function thisPrefix(pool: SubnetPool, taken: readonly Cidr[], text: string): Cidr | undefined {
  const wanted = cidrOf(text);
  const inside = pool.prefixes
    .map(cidrOf)
    .some((prefix) => wanted.first >= prefix.first && wanted.last <= prefix.last);
  if (!inside || taken.some((one) => overlaps(one, wanted)))
    throw fail(
      'subnet-allocation-error',
      `Failed to allocate subnet: Cannot allocate requested subnet from the available set of prefixes.`,
    );
  return wanted;
}

/** The first hole that is large enough. */
function freePrefix(pool: SubnetPool, taken: readonly Cidr[], length: number): Cidr | undefined {
  for (const prefix of pool.prefixes.map(cidrOf)) {
    const size = 1n << BigInt(bitsOf(pool.ip_version) - length);
    for (let at = prefix.first; at + size - 1n <= prefix.last; ) {
      const candidate = cidrAt(pool.ip_version, at, length);
      const other = taken.find((one) => overlaps(one, candidate));
      if (other === undefined) return candidate;
      at = cidrAt(pool.ip_version, other.last, length).last + 1n;
    }
  }
  return undefined;
}
