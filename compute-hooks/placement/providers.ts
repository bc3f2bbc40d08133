/** The scheduler's hosts as Placement's resource providers: the same inventories, the same allocations, looked at from outside. */

import type { ComputeCore } from '../core.ts';
import { computeFailure } from '../failures.ts';
import { capacityOf, type HostView, hostViews } from '../scheduler.ts';
import type { AllocationRow } from '../tables.ts';

export const resourceClasses = ['VCPU', 'MEMORY_MB', 'DISK_GB'];

export interface Inventory {
  readonly total: number;
  readonly reserved: number;
  readonly min_unit: number;
  readonly max_unit: number;
  readonly step_size: number;
  readonly allocation_ratio: number;
}

export async function providers(core: ComputeCore): Promise<HostView[]> {
  return hostViews(core, core.db);
}

export async function theProvider(core: ComputeCore, id: string): Promise<HostView> {
  const found = (await providers(core)).find(({ row }) => row.id === id);
  if (found !== undefined) return found;
  throw computeFailure('missing', {
    why: `No resource provider with uuid ${id.slice(0, 64)} found`,
  });
}

/** What there is, so that `(total - reserved) * allocation_ratio` is what the scheduler gives out. */
export function inventoriesOf(core: ComputeCore, view: HostView): Record<string, Inventory> {
  const capacity = capacityOf(core, view.row);
  const totals: Record<string, number> = {
    VCPU: view.row.vcpus,
    MEMORY_MB: view.row.memory_mib,
    DISK_GB: view.row.disk_gib,
  };
  return Object.fromEntries(
    Object.entries(totals)
      .filter(([, total]) => total > 0)
      .map(([name, total]) => {
        const reserved = name === 'MEMORY_MB' ? core.settings.reservedMemoryMib : 0;
        const left = Math.max(total - reserved, 1);
        const allocation_ratio = (capacity[name] ?? 0) / left;
        return [
          name,
          { total, reserved, min_unit: 1, max_unit: total, step_size: 1, allocation_ratio },
        ];
      }),
  );
}

/** Never falls: who has read it knows by it whether what else was read is still true. */
export const generationOf = ({ row }: HostView): number => Number(row.generation);

/** What is true of every host here, and of some. */
export const traitsOf = ({ row }: HostView): string[] => [
  'COMPUTE_NODE',
  'COMPUTE_NET_ATTACH_INTERFACE',
  ...(row.disabled === 1 ? ['COMPUTE_STATUS_DISABLED'] : []),
];

export async function allocations(
  core: ComputeCore,
  by: Partial<Pick<AllocationRow, 'consumer_id' | 'provider_id' | 'project_id' | 'user_id'>>,
): Promise<AllocationRow[]> {
  let query = core.db.selectFrom('compute_allocation').selectAll();
  for (const [column, value] of Object.entries(by))
    query = query.where(column as 'consumer_id', '=', value);
  return query.execute();
}

export function sumOf(rows: readonly AllocationRow[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { resource_class, amount } of rows)
    sums[resource_class] = (sums[resource_class] ?? 0) + Number(amount);
  return sums;
}
