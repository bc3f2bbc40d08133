/**
 * Attachments: who may reach a volume, in three stages (reserved, connected, in use). A connection is an attachment of the engine with the
 * same id, so it can be made again after a crash and ends for good with the row.
 */
import { isFailure } from '#common';
import type { Tx, VolumeCore } from './core.ts';
import type { EngineCredentials } from './engine.ts';
import { volumeFailure } from './failures.ts';
import { parseMap } from './fields.ts';
import type { AttachmentRow, VolumeRow } from './tables.ts';
import { factsOf } from './volume-facts.ts';
import { missingIsDone } from './workflows/missing.ts';

export interface Connector {
  readonly host?: string | undefined;
  readonly mountpoint?: string | undefined;
  readonly mode?: string | null | undefined;
  readonly [word: string]: unknown;
}

export interface Reservation {
  /** Made up when left out. */
  readonly id?: string;
  readonly serverId: string | null;
  readonly mode: 'rw' | 'ro';
  /** `attaching` for who goes step by step and connects next. */
  readonly stage?: 'reserved' | 'attaching';
}

/** Inside a transaction: the volume is free, or may be shared, and nobody is taking it just now. */
export async function reserve(
  core: VolumeCore,
  transaction: Tx,
  volume: VolumeRow,
  wanted: Reservation,
): Promise<AttachmentRow> {
  const { status, attachments } = await factsOf(transaction, volume);
  const shared =
    volume.multiattach === 1 &&
    (status === 'in-use' || status === 'reserved' || status === 'attaching');
  if (status !== 'available' && !shared)
    throw volumeFailure('invalid-volume', {
      why: `Volume ${volume.id} status must be available or downloading to reserve, but the current status is ${status}.`,
    });
  const mine =
    wanted.serverId !== null && attachments.some((each) => each.server_id === wanted.serverId);
  if (mine)
    throw volumeFailure('invalid-volume', {
      why: `Volume ${volume.id} is attached to server ${wanted.serverId} already.`,
    });
  const row: AttachmentRow = {
    id: wanted.id ?? core.newId(),
    volume_id: volume.id,
    project_id: volume.project_id,
    server_id: wanted.serverId,
    host: null,
    mountpoint: null,
    mode: volume.readonly === 1 ? 'ro' : wanted.mode,
    stage: wanted.stage ?? 'reserved',
    connector_json: '{}',
    connected: 0,
    created_at_us: core.clock.nowUs(),
    attached_at_us: null,
  };
  await transaction.insertInto('volume_attachment').values(row).execute();
  // Two reservations in the same instant have both seen a free volume: the row that is locked last sees both.
  const rivals = await transaction
    .selectFrom('volume_attachment')
    .select('id')
    .where('volume_id', '=', volume.id)
    .execute();
  if (volume.multiattach === 0 && rivals.length > 1)
    throw volumeFailure('invalid-volume', { why: `Volume ${volume.id} has just been reserved.` });
  return row;
}

export async function connect(
  core: VolumeCore,
  row: AttachmentRow,
  connector: Connector,
): Promise<AttachmentRow> {
  const mode = connector.mode === 'ro' || row.mode === 'ro' ? 'ro' : 'rw';
  const host = typeof connector.host === 'string' ? connector.host.slice(0, 255) : row.host;
  await core.engine.attach({
    id: row.id,
    volume: row.volume_id,
    mode,
    note: [row.server_id, host].filter(Boolean).join(' on '),
  });
  const after: AttachmentRow = {
    ...row,
    mode,
    host,
    mountpoint: connector.mountpoint?.slice(0, 255) ?? row.mountpoint,
    stage: row.stage === 'reserved' ? 'attaching' : row.stage,
    connector_json: JSON.stringify(connector),
    connected: 1,
  };
  const written = await core.db
    .updateTable('volume_attachment')
    .set(after)
    .where('id', '=', row.id)
    .executeTakeFirst();
  if (written.numUpdatedRows === 1n) return after;
  // It was deleted meanwhile: nothing may be left that lets anybody in.
  await missingIsDone(() => core.engine.detach(row.volume_id, row.id, { force: true }));
  throw volumeFailure('not-found', { what: 'Volume attachment', id: row.id });
}

/** How an NBD client reaches the volume; empty while it is only reserved. */
export async function connectionInfo(
  core: VolumeCore,
  row: AttachmentRow,
): Promise<Record<string, unknown>> {
  if (row.connected === 0) return {};
  const volume = await core.db
    .selectFrom('volume')
    .select(['type_id', 'encryption_key_id'])
    .where('id', '=', row.volume_id)
    .executeTakeFirstOrThrow();
  const credentials = await findCredentials(core, row);
  if (credentials === undefined) return {};
  return {
    driver_volume_type: 'nbd',
    data: {
      ...connectionData(core, credentials),
      volume_id: row.volume_id,
      attachment_id: row.id,
      access_mode: row.mode,
      encrypted: volume.encryption_key_id !== null,
      discard: true,
      qos_specs: await frontEndSpecs(core, volume.type_id),
    },
  };
}

/** For whoever limits on its own host as well; the gateway keeps to them in any case. */
async function frontEndSpecs(
  core: VolumeCore,
  typeId: string,
): Promise<Record<string, string> | null> {
  const qos = await core.db
    .selectFrom('volume_qos')
    .innerJoin('volume_type', 'volume_type.qos_id', 'volume_qos.id')
    .select(['volume_qos.consumer', 'volume_qos.specs_json'])
    .where('volume_type.id', '=', typeId)
    .executeTakeFirst();
  return qos === undefined || qos.consumer === 'back-end' ? null : parseMap(qos.specs_json);
}

/** The same for the engine's credentials alone. */
export function connectionData(
  core: VolumeCore,
  credentials: EngineCredentials,
): Record<string, unknown> {
  const { host, port, socketPath } = core.nbd;
  const name = encodeURIComponent(credentials.exportName);
  return {
    host,
    port,
    socket: socketPath,
    export: credentials.exportName,
    uri: `nbd://${host.includes(':') ? `[${host}]` : host}:${port}/${name}`,
    tls_psk_identity: credentials.pskIdentity,
    tls_psk_key: credentials.pskKey,
  };
}

async function findCredentials(
  core: VolumeCore,
  row: AttachmentRow,
): Promise<EngineCredentials | undefined> {
  try {
    return await core.engine.credentials(row.volume_id, row.id);
  } catch (error) {
    if (isFailure(error) && error.kind === 'missing') return undefined;
    throw error;
  }
}

/** Ends the connection, then the row: a crash in between leaves a row that is disconnected again. */
export async function disconnect(
  core: VolumeCore,
  row: AttachmentRow,
  options: { readonly force?: boolean } = {},
): Promise<void> {
  await missingIsDone(() => core.engine.detach(row.volume_id, row.id, options));
  await core.db.deleteFrom('volume_attachment').where('id', '=', row.id).execute();
}

export async function setStage(
  core: VolumeCore,
  row: AttachmentRow,
  stage: AttachmentRow['stage'],
  more: Partial<AttachmentRow> = {},
): Promise<void> {
  await core.db
    .updateTable('volume_attachment')
    .set({ ...more, stage })
    .where('id', '=', row.id)
    .execute();
}
