/** Making a volume: one step of the engine, whatever it is made of. */
import Type, { type Static } from 'typebox';
import { declareWorkflow, type Workflow } from '#cloud/operations';
import { roomOf } from '#cloud/state';
import { Failure } from '#common';
import type { VolumeCore } from '../core.ts';
import type { EngineTerms } from '../engine.ts';
import { ensureVolumeKey, holdBackupKey, releaseKey } from '../key-holders.ts';
import { finish } from '../operations.ts';
import { findRow, setWorked } from '../rows.ts';
import { engineQos, engineTerms, unfitSpec } from '../specs.ts';
import type { VolumeRow, VolumeTables } from '../tables.ts';
import { recordOf } from './backup-records.ts';
import { missingIsDone } from './missing.ts';

const source = Type.Union([
  Type.Object({ kind: Type.Literal('empty') }),
  Type.Object({
    kind: Type.Literal('volume'),
    volumeId: Type.String(),
    atMs: Type.Optional(Type.Number()),
  }),
  Type.Object({
    kind: Type.Literal('snapshot'),
    volumeId: Type.String(),
    snapshotId: Type.String(),
  }),
  Type.Object({ kind: Type.Literal('image'), imageId: Type.String() }),
  Type.Object({ kind: Type.Literal('backup'), backupId: Type.String() }),
  Type.Object({
    kind: Type.Literal('object'),
    object: Type.Object({
      account: Type.String(),
      container: Type.String(),
      object: Type.String(),
      etag: Type.String(),
      sizeBytes: Type.Number(),
      isManifest: Type.Optional(Type.Boolean()),
    }),
  }),
]);
const input = Type.Object({ volumeId: Type.String(), source });
export type CreateInput = Static<typeof input>;

// A restore ships a whole disk; everything else takes constant time.
export const shipTimeoutMs = 24 * 3_600_000;

/** How often to look whether an image's disk is there. */
const imageWaitMs = 500;

type Report = (done: number, total: number, unit?: string) => void;

export function createVolumeWorkflow(core: VolumeCore): Workflow {
  return declareWorkflow({
    name: 'volume.create',
    input,
    steps: [
      {
        name: 'make',
        timeoutMs: shipTimeoutMs,
        retriesMax: 5,
        run: async ({ input: wanted, operation, progress, signal }) => {
          const row = await theRow(core, wanted.volumeId);
          await refuseUnfit(core, row.type_id);
          const made = await makeVolume(core, row, wanted.source, { signal, progress });
          if (!made) return { againAfterMs: imageWaitMs };
          return {
            commit: (transaction) =>
              setWorked(
                roomOf<VolumeTables>(transaction),
                'volume',
                row.id,
                { made: 1 },
                operation.id,
              ),
          };
        },
        undo: async ({ input: { volumeId } }) => {
          await missingIsDone(() => core.engine.delete(volumeId, { force: true }));
          const row = await findRow(core.db, 'volume', volumeId);
          await releaseKey(core, row?.encryption_key_id, { kind: 'volumes', id: volumeId });
          return undefined;
        },
      },
    ],
    ended: (transaction, operation, { volumeId }) =>
      finish(core, roomOf<VolumeTables>(transaction), 'volume', volumeId, operation),
  });
}

/** The engine's volume behind a row; made or adopted. False while the disk of its image is still being made. */
export async function makeVolume(
  core: VolumeCore,
  row: VolumeRow,
  from: CreateInput['source'],
  step: { readonly signal: AbortSignal; readonly progress: Report },
): Promise<boolean> {
  const terms = await termsOf(core, row.type_id);
  if (from.kind === 'backup') await holdBackupKey(core, row);
  else await ensureVolumeKey(core, row);
  const common = {
    id: row.id,
    name: row.name ?? row.id,
    project: row.project_id,
    sizeBytes: row.size_gib * 2 ** 30,
    ...(row.encryption_key_id === null
      ? {}
      : { encryption: { keyId: row.encryption_key_id, cipher: 'aes-256-xts' } as const }),
  };
  if (from.kind !== 'backup') {
    const source = await engineSource(core, from);
    if (source === undefined) return false;
    await core.engine.create({ ...common, ...source, ...terms });
    return true;
  }
  await core.engine.restore({
    ...common,
    ...(await recordOf(core, from.backupId)),
    keyId: row.encryption_key_id,
    signal: step.signal,
    onProgress: ({ doneBytes, totalBytes }) => step.progress(doneBytes, totalBytes, 'bytes'),
  });
  await core.engine.change(row.id, terms);
  return true;
}

/** What a type promises of its volumes. */
export async function termsOf(core: VolumeCore, typeId: string): Promise<EngineTerms> {
  const type = await core.db
    .selectFrom('volume_type')
    .select(['specs_json', 'qos_id'])
    .where('id', '=', typeId)
    .executeTakeFirstOrThrow();
  const qos = await core.db
    .selectFrom('volume_qos')
    .selectAll()
    .where('id', '=', type.qos_id ?? '')
    .executeTakeFirst();
  return { qos: engineQos(qos), ...engineTerms(type.specs_json) };
}

async function engineSource(core: VolumeCore, from: CreateInput['source']) {
  if (from.kind === 'snapshot')
    return { from: { volume: from.volumeId, snapshot: from.snapshotId } };
  if (from.kind === 'object') return { from: { bytes: core.objects.bytes(from.object) } };
  if (from.kind === 'volume') {
    const { volumeId: volume, atMs } = from;
    return { from: atMs === undefined ? { volume } : { volume, atMs } };
  }
  if (from.kind !== 'image') return {};
  const volume = await core.images.volumeOf(from.imageId);
  return volume === undefined ? undefined : { from: { volume } };
}

/** The one back end there is must have what the type asks for (upstream's capabilities filter). */
async function refuseUnfit(core: VolumeCore, typeId: string): Promise<void> {
  const type = await core.db
    .selectFrom('volume_type')
    .select('specs_json')
    .where('id', '=', typeId)
    .executeTakeFirstOrThrow();
  const unfit = unfitSpec(type.specs_json);
  if (unfit === undefined) return;
  throw new Failure(
    'conflict',
    'no-valid-backend',
    'schedule allocate volume:Could not find any available weighted backend.',
    { facts: { spec: unfit } },
  );
}

export async function theRow(core: VolumeCore, volumeId: string): Promise<VolumeRow> {
  const row = await findRow(core.db, 'volume', volumeId);
  if (row !== undefined) return row;
  throw new Failure('missing', 'volume-row-missing', 'The volume is not known any more', {
    facts: { volumeId },
  });
}
