/**
 * Looks at a device the moment it says that it holds again what it should: from here on it answers readers, so whatever was acknowledged must be on a
 * majority once more. Later repairs would hide that it was not.
 */
import { KeyHasher } from '#cluster';
import { compareVersions, type Version } from '#wire';
import { type SimRing, salt } from './front.ts';
import type { Machine } from './machine.ts';
import type { Register } from './registers.ts';

export interface RefillCheckParts {
  readonly ring: SimRing;
  readonly machines: ReadonlyMap<number, Machine>;
  readonly registers: readonly Register[];
  readonly report: (violation: string) => void;
}

export class RefillCheck {
  private readonly parts: RefillCheckParts;
  private readonly hasher = new KeyHasher(salt);

  constructor(parts: RefillCheckParts) {
    this.parts = parts;
  }

  async look(name: string): Promise<void> {
    for (const register of this.parts.registers)
      if (!register.isAvailable && register.isQuiet) await this.lookAt(register, name);
  }

  private async lookAt(register: Register, name: string): Promise<void> {
    const { ring, machines, report } = this.parts;
    const { changes } = register;
    const hash = this.hasher.ofPartition('object', register.partition);
    const owners = ring
      .primaries(ring.partitionOf(hash))
      .flatMap(({ id }) => machines.get(id) ?? []);
    if (!owners.some((owner) => owner.name === name)) return;
    const versions: (Version | undefined)[] = [];
    for (const owner of owners) {
      // What is off or cannot be read may hold it.
      if (owner.store === undefined) return;
      try {
        const row = await owner.store.readRow({ ...register.ref, hash }, { body: false });
        versions.push(row?.version);
      } catch {
        return;
      }
    }
    if (register.changes !== changes || !register.isQuiet) return;
    const newest = versions.reduce((a, b) => (isNewer(b, a) ? b : a), undefined);
    const holders = versions.filter((one) => newest !== undefined && !isNewer(newest, one)).length;
    if (newest !== undefined && holders <= owners.length / 2)
      report(`${name} was refilled while ${register.name} was on ${holders} of ${owners.length}`);
  }
}

function isNewer(one: Version | undefined, other: Version | undefined): boolean {
  if (one === undefined) return false;
  return other === undefined || compareVersions(one, other) > 0;
}
