/** Giving a volume to another project: an offer with a secret, and its acceptance. */

import { Buffer } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';
import Type from 'typebox';
import { randomHex } from '#common';
import type { Route } from '../../api/index.ts';
import {
  callerOf,
  flagOf,
  isVisible,
  parameter,
  projectOf,
  type Request,
  scoped,
  type VolumeCaller,
} from '../caller.ts';
import type { Db, Tx, VolumeCore } from '../core.ts';
import { notFound, volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { hold, snapshotAmounts, volumeAmounts } from '../quotas.ts';
import { findRow, visibleRow } from '../rows.ts';
import { snapshotStatus } from '../status.ts';
import type { TransferRow, VolumeRow } from '../tables.ts';
import { atLeast } from '../versions.ts';
import { linksOf, type View } from '../views.ts';
import { factsOf } from '../volume-facts.ts';
import { typeNameOf } from '../workflows/change-volume.ts';
import { refuseCopied } from './volumes.ts';

const saltBytes = 4;
const keyBytes = 8;
const paths = ['/os-volume-transfer', '/volume-transfers'];

const createBody = Type.Object(
  {
    transfer: Type.Object(
      {
        volume_id: fields.uuid,
        name: fields.optional(fields.text),
        no_snapshots: Type.Optional(fields.flagOrNull),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);

export function transferRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  return paths.flatMap((path) => routesOf(core, path));
}

function routesOf(core: VolumeCore, path: string): Route<VolumeCaller>[] {
  const { db } = core;
  const newer = path === '/volume-transfers';
  const versions = newer ? { versions: { from: '3.55' } } : {};
  const theTransfer = (request: Request, from: Db | Tx = db) =>
    visibleTransfer(from, request, parameter(request, 'transfer_id'));
  const target = async (request: Request) => ({
    project_id: (await theTransfer(request)).source_project_id,
  });
  const list = (full: boolean) => async (request: Request) => {
    const rows = await listTransfers(db, request);
    return {
      body: { transfers: rows.map((row) => (full ? detail(request, row) : summary(request, row))) },
    };
  };
  return [
    ...scoped({
      method: 'GET',
      path,
      policy: 'volume:get_all_transfers',
      ...versions,
      handle: list(false),
    }),
    ...scoped({
      method: 'GET',
      path: `${path}/detail`,
      policy: 'volume:get_all_transfers',
      ...versions,
      handle: list(true),
    }),
    ...scoped({
      method: 'POST',
      path,
      policy: 'volume:create_transfer',
      ...versions,
      body: createBody,
      handle: async (request) => {
        const wanted = request.body.transfer;
        const noSnapshots = newer && flagOf(wanted.no_snapshots, 'no_snapshots');
        const { row, key } = await offer(core, request, wanted.volume_id, wanted.name ?? null, {
          noSnapshots,
          newer,
        });
        return { status: 202, body: { transfer: { ...detail(request, row), auth_key: key } } };
      },
    }),
    ...scoped({
      method: 'GET',
      path: `${path}/:transfer_id`,
      policy: 'volume:get_transfer',
      ...versions,
      target,
      handle: async (request) => ({
        body: { transfer: detail(request, await theTransfer(request)) },
      }),
    }),
    ...scoped({
      method: 'POST',
      path: `${path}/:transfer_id/accept`,
      policy: 'volume:accept_transfer',
      ...versions,
      body: Type.Object(
        { accept: Type.Object({ auth_key: Type.String({ minLength: 1, maxLength: 255 }) }) },
        { additionalProperties: false },
      ),
      handle: async (request) => {
        const row = await accept(
          core,
          request,
          parameter(request, 'transfer_id'),
          request.body.accept.auth_key,
        );
        return { status: 202, body: { transfer: summary(request, row) } };
      },
    }),
    ...scoped({
      method: 'DELETE',
      path: `${path}/:transfer_id`,
      policy: 'volume:delete_transfer',
      ...versions,
      target,
      handle: async (request) => {
        const row = await theTransfer(request);
        await db.deleteFrom('volume_transfer').where('id', '=', row.id).execute();
        return { status: 202 };
      },
    }),
  ];
}

async function visibleTransfer(db: Db | Tx, request: Request, id: string): Promise<TransferRow> {
  const row = await findTransfer(db, id);
  if (row === undefined || !isVisible(request, { project_id: row.source_project_id }))
    throw notFound('Transfer', id);
  return row;
}

function findTransfer(db: Db | Tx, id: string): Promise<TransferRow | undefined> {
  return db.selectFrom('volume_transfer').selectAll().where('id', '=', id).executeTakeFirst();
}

async function listTransfers(db: Db, request: Request): Promise<TransferRow[]> {
  const caller = callerOf(request);
  const all = caller.isAdmin && flagOf(request.query.get('all_tenants'), 'all_tenants');
  let query = db.selectFrom('volume_transfer').selectAll().orderBy('created_at_us').limit(1000);
  if (!all) query = query.where('source_project_id', '=', caller.projectId ?? '');
  for (const [parameterName, column] of [
    ['name', 'name'],
    ['volume_id', 'volume_id'],
    ['id', 'id'],
  ] as const) {
    const value = request.query.get(parameterName);
    if (value !== null) query = query.where(column, '=', value);
  }
  return await query.execute();
}

async function offer(
  core: VolumeCore,
  request: Request,
  volumeId: string,
  name: string | null,
  { noSnapshots, newer }: { readonly noSnapshots: boolean; readonly newer: boolean },
): Promise<{ row: TransferRow; key: string }> {
  const key = randomHex(core.random, keyBytes);
  const salt = randomHex(core.random, saltBytes);
  const row = await core.change(async (transaction) => {
    const volume = await visibleRow(transaction, request, 'volume', volumeId);
    const { status } = await factsOf(transaction, volume);
    if (status !== 'available')
      throw volumeFailure('invalid-volume', { why: 'status must be available' });
    if (volume.group_id !== null)
      throw volumeFailure('invalid-volume', { why: `Volume ${volumeId} is in a group.` });
    await refuseUnfit(core, transaction, volume);
    if (volume.encryption_key_id !== null && !(newer && atLeast(request, 'encryptedTransfer')))
      throw volumeFailure('invalid-volume', {
        why: 'transferring encrypted volume is not supported',
      });
    const made: TransferRow = {
      id: core.newId(),
      volume_id: volumeId,
      name: fields.trimmed(name),
      salt,
      key_hash: hashOf(salt, key),
      no_snapshots: noSnapshots ? 1 : 0,
      source_project_id: volume.project_id,
      created_at_us: core.clock.nowUs(),
    };
    await transaction.insertInto('volume_transfer').values(made).execute();
    return made;
  });
  return { row, key };
}

/** Whoever has the key gets the volume: into the project, and onto the quotas, of the token. */
async function accept(
  core: VolumeCore,
  request: Request,
  transferId: string,
  key: string,
): Promise<TransferRow> {
  const projectId = projectOf(request);
  const accepted = await core.changeOf(projectId, async (transaction) => {
    const row = await findTransfer(transaction, transferId);
    if (row === undefined) throw notFound('Transfer', transferId);
    const given = Buffer.from(hashOf(row.salt, key));
    if (!timingSafeEqual(given, Buffer.from(row.key_hash)))
      throw volumeFailure('refused', {
        why: `Invalid auth key: Attempt to transfer ${transferId} with invalid auth key.`,
      });
    const volume = await findRow(transaction, 'volume', row.volume_id);
    if (volume === undefined) throw notFound('Volume', row.volume_id);
    await refuseUnfit(core, transaction, volume);
    await move(core, transaction, request, volume, row.no_snapshots === 1);
    await transaction.deleteFrom('volume_transfer').where('id', '=', row.id).execute();
    const { encryption_key_id: keyId } = volume;
    const { userId } = callerOf(request);
    if (keyId !== null) await core.keys.move(transaction, keyId, { projectId, userId });
    return row;
  });
  await core.engine.change(accepted.volume_id, { project: projectId });
  return accepted;
}

/**
 * What is given away must be the giver's no more: nothing is being made of it or of its snapshots, which would be content of the next
 * owner's, and nothing that stays behind needs its key.
 */
async function refuseUnfit(core: VolumeCore, transaction: Tx, volume: VolumeRow): Promise<void> {
  await refuseCopied(transaction, 'source_volid', volume.id);
  const snapshots = await transaction
    .selectFrom('volume_snapshot')
    .selectAll()
    .where('volume_id', '=', volume.id)
    .execute();
  for (const snapshot of snapshots) {
    await refuseCopied(transaction, 'snapshot_id', snapshot.id);
    if (snapshotStatus(snapshot) !== 'available')
      throw volumeFailure('invalid-snapshot', { why: 'status must be available' });
  }
  const { encryption_key_id: keyId } = volume;
  if (keyId !== null && (await core.keys.heldByOthers(keyId, { kind: 'volumes', id: volume.id })))
    throw volumeFailure('invalid-volume', {
      why: `backups or images of encrypted volume ${volume.id} need its key.`,
    });
}

async function move(
  core: VolumeCore,
  transaction: Tx,
  request: Request,
  volume: VolumeRow,
  noSnapshots: boolean,
): Promise<void> {
  const projectId = projectOf(request);
  const snapshots = await transaction
    .selectFrom('volume_snapshot')
    .select(['id', 'size_gib'])
    .where('volume_id', '=', volume.id)
    .execute();
  if (snapshots.length > 0 && noSnapshots)
    throw volumeFailure('invalid-volume', {
      why: `Volume ${volume.id} has snapshots and was offered without them.`,
    });
  const typeName = await typeNameOf(core, volume.type_id);
  const change = { project_id: projectId, user_id: callerOf(request).userId };
  await core.quotas.release(transaction, volume.id);
  await hold(core, transaction, projectId, volume.id, volumeAmounts(typeName, volume.size_gib));
  await transaction.updateTable('volume').set(change).where('id', '=', volume.id).execute();
  for (const { id, size_gib: gib } of snapshots) {
    await core.quotas.release(transaction, id);
    await hold(core, transaction, projectId, id, snapshotAmounts(typeName, gib));
    await transaction.updateTable('volume_snapshot').set(change).where('id', '=', id).execute();
  }
}

const hashOf = (salt: string, key: string) => createHmac('sha256', salt).update(key).digest('hex');

function summary(request: Request, row: TransferRow): View {
  return {
    id: row.id,
    volume_id: row.volume_id,
    name: row.name,
    links: linksOf(request, 'os-volume-transfer', row.id),
  };
}

function detail(request: Request, row: TransferRow): View {
  return {
    ...summary(request, row),
    created_at: fields.timeOf(row.created_at_us),
    ...(request.version.minor >= 55 ? { no_snapshots: row.no_snapshots === 1 } : {}),
    ...(atLeast(request, 'transferHistory')
      ? {
          source_project_id: row.source_project_id,
          destination_project_id: null,
          accepted: false,
        }
      : {}),
  };
}
