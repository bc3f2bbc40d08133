/** An engine of disks that only keeps the books: what there is, of what, and who may reach it. For tests of the API. */
import { Failure } from '#common';
import type { DiskEngine } from '../neighbours.ts';

interface Kept {
  readonly from: object | undefined;
  sizeBytes: number;
  readonly snapshots: Set<string>;
  readonly attachments: Set<string>;
}

export interface MemoryDisks extends DiskEngine {
  readonly kept: ReadonlyMap<string, Kept>;
  failing: Failure | undefined;
}

export function memoryDisks(): MemoryDisks {
  const kept = new Map<string, Kept>();
  const the = (id: string): Kept => {
    const found = kept.get(id);
    if (found !== undefined) return found;
    throw new Failure('missing', 'volume-missing', 'There is no such volume', { facts: { id } });
  };
  const engine: MemoryDisks = {
    kept,
    failing: undefined,
    create: async ({ id, sizeBytes, from }) => {
      if (engine.failing !== undefined) throw engine.failing;
      const made = kept.get(id) ?? {
        from,
        sizeBytes,
        snapshots: new Set(),
        attachments: new Set(),
      };
      kept.set(id, made);
      return { id, sizeBytes };
    },
    delete: async (id) => {
      the(id);
      kept.delete(id);
    },
    extend: async (id, sizeBytes) => {
      the(id).sizeBytes = sizeBytes;
    },
    snapshot: async (volume, { id = '' }) => {
      the(volume).snapshots.add(id);
    },
    deleteSnapshot: async (volume, snapshot) => {
      the(volume).snapshots.delete(snapshot);
    },
    revert: async (volume) => {
      the(volume);
    },
    attach: async ({ id = '', volume }) => {
      the(volume).attachments.add(id);
      return { exportName: `${volume}/${id}`, mode: 'rw' };
    },
    offerAttachment: async (volume, id) => {
      the(volume);
      return { exportName: `${volume}/${id}/next` };
    },
    settleAttachment: async (volume) => {
      the(volume);
    },
    detach: async (volume, attachment) => {
      the(volume).attachments.delete(attachment);
    },
  };
  return engine;
}
