/** A flavor as a server keeps it: what it was when it was chosen. */
import type { FlavorRow } from './tables.ts';

export interface FlavorFacts {
  readonly id: string;
  readonly name: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskGib: number;
  readonly ephemeralGib: number;
  readonly swapMib: number;
  readonly specs: Readonly<Record<string, string>>;
}

export function flavorFacts(row: FlavorRow): FlavorFacts {
  return {
    id: row.id,
    name: row.name,
    vcpus: row.vcpus,
    memoryMib: row.memory_mib,
    diskGib: row.disk_gib,
    ephemeralGib: row.ephemeral_gib,
    swapMib: row.swap_mib,
    specs: JSON.parse(row.specs_json) as Record<string, string>,
  };
}

/** Stored by `JSON.stringify` of the above. */
export const parseFlavor = (stored: string): FlavorFacts => JSON.parse(stored) as FlavorFacts;

/** What a server of this flavor takes of its host. */
export function resourcesOf(flavor: FlavorFacts): Readonly<Record<string, number>> {
  const disk = flavor.diskGib + flavor.ephemeralGib + Math.ceil(flavor.swapMib / 1024);
  return {
    VCPU: flavor.vcpus,
    MEMORY_MB: flavor.memoryMib,
    ...(disk === 0 ? {} : { DISK_GB: disk }),
  };
}

/** What it counts towards its project's quotas. */
export function quotaAmounts(flavor: FlavorFacts): Readonly<Record<string, number>> {
  return { instances: 1, cores: flavor.vcpus, ram: flavor.memoryMib };
}
