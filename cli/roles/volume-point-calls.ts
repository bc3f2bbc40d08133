/** The control calls behind `pileus volume snapshot|clone|branch|revert|extend|set|attach|backup|restore …`. */
import { type Static, type TSchema, Type } from 'typebox';
import {
  type BackupRecord,
  type BackupStore,
  decodeBackupRecord,
  encodeBackupRecord,
  type VolumeInfo,
} from '#block-gateway';
import { Failure, isFailure, systemClock } from '#common';
import { accountOf } from '#proxy';
import { parseArguments } from '../control/arguments.ts';
import type { ControlHandler, Progress } from '../control/protocol.ts';
import { containerBackups, folderBackups } from './backup-stores.ts';
import {
  checkNameFree,
  findVolume,
  lineOf,
  projectOf,
  type VolumeCallParts,
} from './volume-calls.ts';

const name = Type.String({ minLength: 1, maxLength: 255 });
const volume = name;
const atMs = Type.Number({ minimum: 0 });
const limit = Type.Optional(Type.Number({ exclusiveMinimum: 0 }));

const Snapshot = Type.Object({ volume, name: Type.Optional(name) });
const OneSnapshot = Type.Object({ volume, snapshot: name });
const Clone = Type.Object({
  volume,
  name,
  snapshot: Type.Optional(name),
  atMs: Type.Optional(atMs),
  size: Type.Optional(Type.Integer({ minimum: 1 })),
});
const Revert = Type.Object({ volume, snapshot: Type.Optional(name), atMs: Type.Optional(atMs) });
const Extend = Type.Object({
  volume,
  size: Type.Integer({ minimum: 1 }),
  reconnect: Type.Optional(Type.Boolean()),
});
const Change = Type.Object({
  volume,
  name: Type.Optional(name),
  retentionS: Type.Optional(Type.Integer({ minimum: 0 })),
  durability: Type.Optional(Type.Union([Type.Literal('local'), Type.Literal('replicated')])),
  iops: limit,
  bytesPerS: limit,
  burstS: limit,
  unlimited: Type.Optional(Type.Boolean()),
});
const Attach = Type.Object({
  volume,
  id: Type.Optional(name),
  readOnly: Type.Optional(Type.Boolean()),
});
const Detach = Type.Object({
  volume,
  attachment: name,
  force: Type.Optional(Type.Boolean()),
});
/** `folder`: an absolute path on the cloud's machine; `container`: of the admin project. */
const Target = {
  folder: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
  container: Type.Optional(name),
};
const Backup = Type.Object({ volume, full: Type.Optional(Type.Boolean()), ...Target });
const Restore = Type.Object({ backup: name, name, ...Target });

export function volumePointCalls(parts: VolumeCallParts): Readonly<Record<string, ControlHandler>> {
  const { volumes } = parts.gateway;
  const on =
    <S extends TSchema>(
      schema: S,
      work: (
        info: VolumeInfo,
        wanted: Static<S>,
        report: (progress: Progress) => void,
      ) => Promise<unknown>,
    ): ControlHandler =>
    async (args, report) => {
      const wanted = parseArguments(schema, args);
      const { volume: named } = parseArguments(Type.Object({ volume }), args);
      return await work(await findVolume(parts, named), wanted, report);
    };
  return {
    'volume-snapshot': on(Snapshot, ({ id }, wanted) =>
      volumes.snapshot(id, wanted.name === undefined ? {} : { name: wanted.name }),
    ),
    'volume-snapshots': on(Type.Object({ volume }), ({ id }) => volumes.listSnapshots(id)),
    'volume-snapshot-delete': on(OneSnapshot, async ({ id }, { snapshot }) =>
      volumes.deleteSnapshot(id, await snapshotId(parts, id, snapshot)),
    ),
    'volume-clone': on(Clone, async ({ id, project }, wanted) => {
      const { snapshot, size } = wanted;
      await checkNameFree(parts, wanted.name);
      const point =
        snapshot === undefined
          ? wanted.atMs === undefined
            ? {}
            : { atMs: wanted.atMs }
          : { snapshot: await snapshotId(parts, id, snapshot) };
      const made = await volumes.create({
        name: wanted.name,
        project,
        from: { volume: id, ...point },
        ...(size === undefined ? {} : { sizeBytes: size }),
      });
      return lineOf(parts, made);
    }),
    'volume-revert': on(Revert, async ({ id }, wanted) => {
      const { snapshot } = wanted;
      if (snapshot !== undefined)
        return lineOf(
          parts,
          await volumes.revert(id, { snapshot: await snapshotId(parts, id, snapshot) }),
        );
      return lineOf(parts, await volumes.revert(id, { atMs: wanted.atMs ?? 0 }));
    }),
    'volume-extend': on(Extend, async ({ id }, { size, reconnect }) => {
      const larger = await volumes.extend(id, size);
      if (reconnect === true) volumes.reconnect(id);
      return await lineOf(parts, larger);
    }),
    'volume-set': on(Change, async ({ id, qos }, wanted) => {
      const { volume: _named, iops, bytesPerS, burstS, unlimited, ...change } = wanted;
      const limits = {
        ...(unlimited === true ? {} : qos),
        ...defined({ iops, bytesPerS, burstS }),
      };
      return lineOf(parts, await volumes.change(id, { ...change, qos: limits }));
    }),
    'volume-attach': on(Attach, ({ id }, wanted) =>
      volumes.attach({
        volume: id,
        mode: wanted.readOnly === true ? 'ro' : 'rw',
        ...(wanted.id === undefined ? {} : { id: wanted.id }),
      }),
    ),
    'volume-attachments': on(Type.Object({ volume }), ({ id }) => volumes.listAttachments(id)),
    'volume-detach': on(Detach, ({ id }, { attachment, force = false }) =>
      volumes.detach(id, attachment, { force }),
    ),
    'volume-backup': on(Backup, (info, wanted, report) => backUp(parts, info, wanted, report)),
    'volume-restore': async (args, report) =>
      await restore(parts, parseArguments(Restore, args), report),
  };
}

function defined(limits: Readonly<Record<string, number | undefined>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(limits).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}

async function snapshotId(parts: VolumeCallParts, id: string, idOrName: string): Promise<string> {
  const all = await parts.gateway.volumes.listSnapshots(id);
  const found = all.find((one) => one.id === idOrName) ?? all.find((one) => one.name === idOrName);
  if (found !== undefined) return found.id;
  throw new Failure('missing', 'snapshot-missing', `There is no snapshot ${idOrName}`);
}

async function storeOf(
  parts: VolumeCallParts,
  target: { readonly folder?: string; readonly container?: string },
): Promise<BackupStore> {
  if (target.folder !== undefined) return folderBackups(target.folder);
  if (target.container === undefined)
    throw new Failure('invalid', 'no-target', 'A backup needs a folder or a container to go to');
  const account = accountOf(await projectOf(parts));
  const { container } = await parts.objects.containers.create({ account, name: target.container });
  return containerBackups(parts.objects, container);
}

const recordOf = (prefix: string) => `${prefix}/record`;

/** Incremental where the target holds a backup of this volume already whose snapshot is still there. */
async function backUp(
  parts: VolumeCallParts,
  info: VolumeInfo,
  wanted: Static<typeof Backup>,
  report: (progress: Progress) => void,
): Promise<BackupRecord> {
  const { volumes } = parts.gateway;
  const store = await storeOf(parts, wanted);
  const parent = wanted.full === true ? undefined : await latest(parts, store, info.id);
  const id = new Date(systemClock.nowUs() / 1000).toISOString().replaceAll(/[:.]/g, '-');
  const snapshot = `backup-${id}`;
  await volumes.snapshot(info.id, { id: snapshot, name: `backup ${id}` });
  const prefix = `${info.id}/${id}`;
  const record = await volumes.backup({
    id,
    volume: info.id,
    snapshot,
    store,
    prefix,
    ...(parent === undefined ? {} : { parent }),
    onProgress: ({ doneBytes }) =>
      report({ what: 'Sending what changed', done: doneBytes, total: 0, unit: 'bytes' }),
  });
  const text = [encodeBackupRecord(record)];
  await store.put(recordOf(prefix), text);
  await store.put(`${info.id}/latest`, text);
  if (parent !== undefined) await volumes.deleteSnapshot(info.id, parent.snapshot);
  return record;
}

async function latest(
  parts: VolumeCallParts,
  store: BackupStore,
  id: string,
): Promise<BackupRecord | undefined> {
  try {
    const record = decodeBackupRecord(await store.get(`${id}/latest`));
    const snapshot = await parts.gateway.volumes.findSnapshot(id, record.snapshot);
    return snapshot === undefined ? undefined : record;
  } catch (error) {
    if (isFailure(error, 'missing')) return undefined;
    throw error;
  }
}

/** `backup`: VOLUME-ID/BACKUP-ID, or VOLUME-ID for its latest. */
async function restore(
  parts: VolumeCallParts,
  wanted: Static<typeof Restore>,
  report: (progress: Progress) => void,
): Promise<unknown> {
  await checkNameFree(parts, wanted.name);
  const store = await storeOf(parts, wanted);
  const place = wanted.backup.includes('/') ? recordOf(wanted.backup) : `${wanted.backup}/latest`;
  const record = decodeBackupRecord(await store.get(place));
  const made = await parts.gateway.volumes.restore({
    record,
    store,
    name: wanted.name,
    project: await projectOf(parts),
    onProgress: ({ doneBytes, totalBytes }) =>
      report({ what: 'Restoring', done: doneBytes, total: totalBytes, unit: 'bytes' }),
  });
  return lineOf(parts, made);
}
