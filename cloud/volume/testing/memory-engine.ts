/** An engine that only keeps the books: what there is, of what, and what was refused. For tests of the API. */
import { Failure } from '#common';
import type { EngineCredentials, EngineSource, VolumeEngine } from '../engine.ts';

interface Kept {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly sealed: boolean;
  project: string;
  sizeBytes: number;
  readonly from: EngineSource | undefined;
  readonly snapshots: Map<string, number>;
  readonly attachments: Map<string, EngineCredentials>;
  qos: object;
}

export interface MemoryEngine extends VolumeEngine {
  readonly kept: ReadonlyMap<string, Kept>;
  /** The next calls of this name fail so. */
  failing: { readonly call: string; readonly failure: Failure } | undefined;
}

export function memoryEngine(): MemoryEngine {
  const kept = new Map<string, Kept>();
  const the = (id: string): Kept => {
    const found = kept.get(id);
    if (found !== undefined) return found;
    throw new Failure('missing', 'volume-missing', 'There is no such volume', { facts: { id } });
  };
  const engine: MemoryEngine = {
    kept,
    failing: undefined,
    get: async (id) => the(id),
    list: async (project) => ({
      entries: [...kept.values()].filter((one) => one.project === project),
      next: undefined,
    }),
    create: async ({ id, name, project, sizeBytes, from, qos, sealed = false }) => {
      check('create');
      if (from !== undefined && 'volume' in from) the(from.volume);
      const made: Kept = kept.get(id) ?? {
        id,
        ...{ name, state: 'ready', sealed },
        project,
        sizeBytes,
        from,
        snapshots: new Map(),
        attachments: new Map(),
        qos: qos ?? {},
      };
      kept.set(id, made);
      return made;
    },
    delete: async (id) => {
      check('delete');
      if (the(id).snapshots.size > 0)
        throw new Failure('conflict', 'snapshot-in-use', 'The volume has snapshots');
      kept.delete(id);
    },
    extend: async (id, sizeBytes) => {
      check('extend');
      the(id).sizeBytes = sizeBytes;
      return the(id);
    },
    change: async (id, { project, qos }) => {
      if (project !== undefined) the(id).project = project;
      if (qos !== undefined) the(id).qos = qos;
      return the(id);
    },
    snapshot: async (volume, { id = '' }) => {
      check('snapshot');
      the(volume).snapshots.set(id, the(volume).sizeBytes);
      return { id, name: '', sizeBytes: the(volume).sizeBytes };
    },
    listSnapshots: async (volume) =>
      [...the(volume).snapshots].map(([id, sizeBytes]) => ({ id, name: '', sizeBytes })),
    deleteSnapshot: async (volume, snapshot) => {
      the(volume).snapshots.delete(snapshot);
    },
    revert: async (volume) => the(volume),
    attach: async ({ id = '', volume, mode = 'rw' }) => {
      const secret = `${volume}/${id}`;
      const made = { id, volume, mode, exportName: secret, pskIdentity: id, pskKey: '00' };
      the(volume).attachments.set(id, made);
      return made;
    },
    credentials: async (volume, attachment) => {
      const found = the(volume).attachments.get(attachment);
      if (found !== undefined) return found;
      throw new Failure('missing', 'attachment-missing', 'There is no such attachment');
    },
    detach: async (volume, attachment) => {
      the(volume).attachments.delete(attachment);
    },
    backup: async ({ id, volume, snapshot, parent, prefix, store }) => {
      check('backup');
      await store.put(`${prefix}/manifest`, [Buffer.from(JSON.stringify({ volume, snapshot }))]);
      return {
        id,
        volume,
        snapshot,
        sizeBytes: the(volume).sizeBytes,
        createdUs: 0,
        prefix,
        chain: parent === undefined ? [] : [...parent.chain, parent.prefix],
        objects: 1,
        changedBytes: 0,
        shippedBytes: 0,
      };
    },
    deleteBackup: async ({ record, store }) => store.delete(`${record.prefix}/manifest`),
    restore: async ({ record, store, id = '', project, sizeBytes }) => {
      await store.get(`${record.prefix}/manifest`);
      return engine.create({ id, name: id, project, sizeBytes: sizeBytes ?? record.sizeBytes });
    },
  };
  function check(call: string): void {
    if (engine.failing?.call === call) throw engine.failing.failure;
  }
  return engine;
}
