/**
 * Choosing a host: filters say which can take a server at all, weights which of them is best. The choice and the claim on the host's
 * resources are made in the transaction that writes the server, so that what is given out and what is there cannot differ.
 */
import type { ComputeCore, Db, Tx } from './core.ts';
import { type FlavorFacts, resourcesOf } from './flavor-facts.ts';
import type { AggregateRow, GroupRow, HostRow } from './tables.ts';

export interface Placing {
  readonly serverId: string;
  readonly projectId: string;
  readonly userId: string;
  readonly flavor: FlavorFacts;
  readonly zone: string | null;
  /** Only this host, as administrators may say. */
  readonly forcedHost?: string;
  readonly avoidHosts?: readonly string[];
  readonly group: GroupRow | undefined;
  readonly hints: Readonly<Record<string, unknown>>;
}

export interface HostView {
  readonly row: HostRow;
  readonly zone: string;
  readonly used: Readonly<Record<string, number>>;
  readonly capacity: Readonly<Record<string, number>>;
  readonly aggregates: readonly AggregateRow[];
}

export function isUp(core: ComputeCore, row: HostRow): boolean {
  if (row.forced_down === 1) return false;
  return (
    core.hosts.has(row.name) || core.clock.nowUs() - row.seen_at_us < core.settings.silentMs * 1000
  );
}

/** What a host has to give, in Placement's resource classes; real processors are given out `cpuRatio` times. */
export function capacityOf(core: ComputeCore, row: HostRow): Record<string, number> {
  const { cpuRatio, memoryPercent, reservedMemoryMib } = core.settings;
  const memory = Math.floor((row.memory_mib * memoryPercent) / 100) - reservedMemoryMib;
  return {
    VCPU: row.vcpus * cpuRatio,
    MEMORY_MB: Math.max(memory, 0),
    // Disks are written thinly into the cluster's store: what they may grow to is not what they take.
    DISK_GB: row.disk_gib * 16,
  };
}

export async function hostViews(core: ComputeCore, db: Db | Tx): Promise<HostView[]> {
  const hosts = await db.selectFrom('compute_host').selectAll().orderBy('name').execute();
  const aggregates = await db.selectFrom('compute_aggregate').selectAll().execute();
  const sums = await db
    .selectFrom('compute_allocation')
    .select(({ fn }) => ['provider_id', 'resource_class', fn.sum<number>('amount').as('amount')])
    .groupBy(['provider_id', 'resource_class'])
    .execute();
  return hosts.map((row) => {
    const mine = aggregates.filter((one) => hostsIn(one).includes(row.name));
    const used = sums.filter((sum) => sum.provider_id === row.id);
    return {
      row,
      aggregates: mine,
      zone: mine.find((one) => one.zone !== null)?.zone ?? core.settings.zone,
      used: Object.fromEntries(used.map((sum) => [sum.resource_class, Number(sum.amount)])),
      capacity: capacityOf(core, row),
    };
  });
}

export const hostsIn = (aggregate: Pick<AggregateRow, 'hosts_json'>): string[] =>
  JSON.parse(aggregate.hosts_json) as string[];

/** The best host, claimed; or why there is none. */
export async function place(
  core: ComputeCore,
  transaction: Tx,
  placing: Placing,
): Promise<{ readonly host: string; readonly zone: string } | { readonly why: string }> {
  const views = await hostViews(core, transaction);
  const members = await membersOf(transaction, placing);
  const context = { core, placing, members };
  let left = views;
  for (const [name, fits] of filters) {
    const fitting = left.filter((view) => fits(view, context));
    if (fitting.length === 0) return { why: whyOf(name, left.length) };
    left = fitting;
  }
  const [best] = left.toSorted((a, b) => weightOf(b, context) - weightOf(a, context));
  if (best === undefined) return { why: whyOf('hosts', 0) };
  await claim(transaction, best.row.id, placing);
  return { host: best.row.name, zone: best.zone };
}

const whyOf = (filter: string, asked: number) =>
  `No valid host was found. There are not enough hosts available (${asked === 0 ? 'there is no host' : `${filter} left none of ${asked}`}).`;

/** Makes what the server takes of this host, and of no other, what its flavor says. */
export async function claim(
  transaction: Tx,
  providerId: string,
  placing: Pick<Placing, 'serverId' | 'projectId' | 'userId' | 'flavor'>,
): Promise<void> {
  const { serverId, projectId, userId, flavor } = placing;
  await release(transaction, serverId);
  const rows = Object.entries(resourcesOf(flavor)).map(([resource_class, amount]) => ({
    consumer_id: serverId,
    provider_id: providerId,
    resource_class,
    amount,
    project_id: projectId,
    user_id: userId,
  }));
  await transaction.insertInto('compute_allocation').values(rows).execute();
  await countChange(transaction, [providerId]);
}

export async function release(transaction: Tx, serverId: string): Promise<void> {
  const gone = await transaction
    .deleteFrom('compute_allocation')
    .where('consumer_id', '=', serverId)
    .returning('provider_id')
    .execute();
  if (gone.length > 0)
    await countChange(transaction, [...new Set(gone.map(({ provider_id }) => provider_id))]);
}

async function countChange(transaction: Tx, providerIds: readonly string[]): Promise<void> {
  await transaction
    .updateTable('compute_host')
    .set((column) => ({ generation: column('generation', '+', 1) }))
    .where('id', 'in', providerIds)
    .execute();
}

interface Context {
  readonly core: ComputeCore;
  readonly placing: Placing;
  /** Server id → host, of the servers that hints and the group speak of. */
  readonly members: ReadonlyMap<string, string>;
}

type Filter = (view: HostView, context: Context) => boolean;

const filters: readonly (readonly [name: string, fits: Filter])[] = [
  [
    'ComputeFilter',
    ({ row }, { core }) => row.disabled === 0 && isUp(core, row) && core.hosts.has(row.name),
  ],
  [
    'Host',
    ({ row }, { placing }) => placing.forcedHost === undefined || placing.forcedHost === row.name,
  ],
  ['Retry', ({ row }, { placing }) => placing.avoidHosts?.includes(row.name) !== true],
  [
    'AvailabilityZoneFilter',
    ({ zone }, { placing }) => placing.zone === null || placing.zone === zone,
  ],
  ['Placement', (view, { placing }) => fitsResources(view, placing.flavor)],
  ['AggregateInstanceExtraSpecsFilter', fitsSpecs],
  ['ServerGroupFilter', fitsGroup],
  ['HintFilter', fitsHints],
];

function fitsResources(view: HostView, flavor: FlavorFacts): boolean {
  return Object.entries(resourcesOf(flavor)).every(
    ([name, amount]) => (view.used[name] ?? 0) + amount <= (view.capacity[name] ?? 0),
  );
}

const specScope = 'aggregate_instance_extra_specs:';

function fitsSpecs(view: HostView, { placing }: Context): boolean {
  return Object.entries(placing.flavor.specs)
    .filter(([name]) => name.startsWith(specScope))
    .every(([name, wanted]) =>
      view.aggregates.some((one) => {
        const metadata = JSON.parse(one.metadata_json) as Record<string, string>;
        return metadata[name.slice(specScope.length)] === wanted;
      }),
    );
}

function fitsGroup({ row }: HostView, { placing, members }: Context): boolean {
  const { group } = placing;
  if (group === undefined) return true;
  const hosts = [...members.values()];
  const here = hosts.filter((host) => host === row.name).length;
  if (group.policy === 'affinity') return hosts.length === 0 || here > 0;
  if (group.policy !== 'anti-affinity') return true;
  const rules = JSON.parse(group.rules_json) as { readonly max_server_per_host?: number };
  return here < (rules.max_server_per_host ?? 1);
}

function fitsHints({ row }: HostView, { placing, members }: Context): boolean {
  const hostsOf = (name: string) =>
    idsOf(placing.hints[name]).flatMap((id) => members.get(id) ?? []);
  const same = hostsOf('same_host');
  if (same.length > 0 && !same.includes(row.name)) return false;
  return !hostsOf('different_host').includes(row.name);
}

const idsOf = (value: unknown): string[] =>
  typeof value === 'string' ? [value] : Array.isArray(value) ? value.map(String) : [];

async function membersOf(transaction: Tx, placing: Placing): Promise<Map<string, string>> {
  const ids = [...idsOf(placing.hints.same_host), ...idsOf(placing.hints.different_host)];
  if (placing.group === undefined && ids.length === 0) return new Map();
  const rows = await transaction
    .selectFrom('compute_server')
    .select(['id', 'host', 'group_id'])
    .where('deleted_at_us', 'is', null)
    .where((where) =>
      where.or([
        where('group_id', '=', placing.group?.id ?? ''),
        ...(ids.length === 0 ? [] : [where('id', 'in', ids)]),
      ]),
    )
    .execute();
  const known = rows.filter((row) => row.id !== placing.serverId && row.host !== null);
  return new Map(known.map((row) => [row.id, row.host ?? '']));
}

/** Room left spreads servers out; the soft policies of groups weigh more than that. */
function weightOf(view: HostView, { placing, members }: Context): number {
  const left = (name: string) => 1 - (view.used[name] ?? 0) / Math.max(view.capacity[name] ?? 0, 1);
  const here = [...members.values()].filter((host) => host === view.row.name).length;
  const soft = { 'soft-affinity': 10, 'soft-anti-affinity': -10 }[placing.group?.policy ?? ''] ?? 0;
  return left('MEMORY_MB') + left('VCPU') + left('DISK_GB') / 4 + soft * here;
}
