/** Backups of volumes: made, restored, exported and imported. */
import { Buffer } from 'node:buffer';
import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';
import { isFailure } from '#common';
import type { ApiReply, Route } from '../../api/index.ts';
import { backedUpVolume } from '../backed-up-volume.ts';
import {
  callerOf,
  flagOf,
  parameter,
  projectOf,
  type Request,
  scoped,
  type VolumeCaller,
} from '../caller.ts';
import type { Tx, VolumeCore } from '../core.ts';
import type { EngineBackupRecord } from '../engine.ts';
import { volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { holdKey } from '../key-holders.ts';
import { type Page, readPage } from '../listing.ts';
import { begin } from '../operations.ts';
import { backupAmounts, hold } from '../quotas.ts';
import { setWorked, targetOf, visibleRow } from '../rows.ts';
import { sayStatus } from '../said-status.ts';
import type { BackupRow } from '../tables.ts';
import { atLeast } from '../versions.ts';
import { pageReply } from '../views.ts';
import { parseRecord, sharersOf } from '../workflows/backup-records.ts';
import { backupDetail, backupSummary, readDependents } from './backup-views.ts';
import { beginBackup, checkPlace, createBackupBody } from './create-backup.ts';
import { beginRestore } from './restore-backup.ts';

/** Parts with a slash between; none is empty, `.` or `..`. */
const objectPrefix = Type.String({
  maxLength: 1024,
  pattern: '^(?!\\.{1,2}(/|$))[A-Za-z0-9._-]+(/(?!\\.{1,2}(/|$))[A-Za-z0-9._-]+)*$',
});

/** What an exported record says, beside the engine's own. */
const exported = Type.Object({
  version: Type.Literal(1),
  id: fields.uuid,
  volume_id: fields.uuid,
  name: fields.nullable(fields.text),
  description: fields.nullable(fields.text),
  size: Type.Integer({ minimum: 1 }),
  /** Whose container it is. */
  project_id: Type.Optional(Type.String({ pattern: '^[0-9a-zA-Z-]{1,64}$' })),
  container: Type.String({ minLength: 1, maxLength: 255 }),
  data_at_us: Type.Integer({ minimum: 0 }),
  encryption_key_id: Type.Optional(fields.uuid),
  volume: Type.Optional(backedUpVolume),
  record: Type.Object({
    id: Type.String({ maxLength: 64 }),
    volume: Type.String({ maxLength: 64 }),
    snapshot: Type.String({ maxLength: 64 }),
    sizeBytes: Type.Integer({ minimum: 0 }),
    createdUs: Type.Integer({ minimum: 0 }),
    prefix: objectPrefix,
    chain: Type.Array(objectPrefix, {
      maxItems: 10_000,
    }),
    objects: Type.Integer({ minimum: 0 }),
    changedBytes: Type.Integer({ minimum: 0 }),
    shippedBytes: Type.Integer({ minimum: 0 }),
  }),
});
/** Named like a driver of upstream's, as tools expect; records of before were exported under the other name. */
const service = 'cinder.backup.drivers.pileus';
const services = [service, 'pileus'];

export function backupRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const { db } = core;
  const target = targetOf(db, 'volume_backup', 'backup_id');
  const theBackup = (request: Request, from: typeof db | Tx = db) =>
    visibleRow(from, request, 'volume_backup', parameter(request, 'backup_id'));
  const list = (full: boolean) => async (request: Request) => {
    const page = await listBackups(core, request);
    const dependents = full ? await readDependents(db, page.rows) : new Set<string>();
    return pageReply(request, 'backups', page, (row) =>
      full ? backupDetail(request, row, dependents) : backupSummary(request, row),
    );
  };
  return [
    ...scoped({ method: 'GET', path: '/backups', policy: 'backup:get_all', handle: list(false) }),
    ...scoped({
      method: 'GET',
      path: '/backups/detail',
      policy: 'backup:get_all',
      handle: list(true),
    }),
    ...scoped({
      method: 'POST',
      path: '/backups',
      policy: 'backup:create',
      body: createBackupBody,
      handle: async (request) => {
        const row = await beginBackup(core, request, request.body.backup);
        return { status: 202, body: { backup: backupSummary(request, row) } };
      },
    }),
    ...scoped({
      method: 'GET',
      path: '/backups/:backup_id',
      policy: 'backup:get',
      target,
      handle: async (request) => {
        const row = await theBackup(request);
        return { body: { backup: backupDetail(request, row, await readDependents(db, [row])) } };
      },
    }),
    ...scoped({
      method: 'PUT',
      path: '/backups/:backup_id',
      policy: 'backup:update',
      versions: { from: '3.9' },
      target,
      body: Type.Object(
        {
          backup: Type.Object(
            {
              name: fields.optional(fields.text),
              description: fields.optional(fields.text),
              metadata: fields.optional(fields.metadata),
            },
            { additionalProperties: false, minProperties: 1 },
          ),
        },
        { additionalProperties: false },
      ),
      handle: async (request) => {
        const row = await theBackup(request);
        const wanted = request.body.backup;
        const metadata = atLeast(request, 'backupMetadata') ? wanted.metadata : undefined;
        const after = {
          ...(wanted.name === undefined ? {} : { name: fields.trimmed(wanted.name) }),
          ...(wanted.description === undefined
            ? {}
            : { description: fields.trimmed(wanted.description) }),
          ...(metadata ? { metadata_json: JSON.stringify(metadata) } : {}),
          updated_at_us: core.clock.nowUs(),
        };
        await db.updateTable('volume_backup').set(after).where('id', '=', row.id).execute();
        return { body: { backup: backupSummary(request, { ...row, ...after }) } };
      },
    }),
    ...scoped({
      method: 'DELETE',
      path: '/backups/:backup_id',
      policy: 'backup:delete',
      target,
      handle: async (request) => {
        await core.change(async (transaction) =>
          beginBackupDelete(core, transaction, request, await theBackup(request, transaction)),
        );
        return { status: 202 };
      },
    }),
    ...scoped({
      method: 'POST',
      path: '/backups/:backup_id/restore',
      policy: 'backup:restore',
      target,
      body: Type.Object(
        {
          restore: fields.nullable(
            Type.Object(
              { name: fields.optional(fields.text), volume_id: fields.optional(fields.uuid) },
              { additionalProperties: false },
            ),
          ),
        },
        { additionalProperties: false },
      ),
      handle: async (request) => {
        const row = await theBackup(request);
        const volume = await beginRestore(core, request, row, request.body.restore ?? {});
        const restore = { backup_id: row.id, volume_id: volume.id, volume_name: volume.name };
        return { status: 202, body: { restore } };
      },
    }),
    ...scoped({
      method: 'GET',
      path: '/backups/:backup_id/export_record',
      policy: 'backup:export-import',
      target,
      handle: async (request) => ({
        body: { 'backup-record': exportRecord(await theBackup(request)) },
      }),
    }),
    ...scoped({
      method: 'POST',
      path: '/backups/import_record',
      policy: 'backup:backup-import',
      body: Type.Object(
        {
          'backup-record': Type.Object(
            {
              backup_service: Type.String({ minLength: 1, maxLength: 255 }),
              backup_url: Type.String({ minLength: 1, maxLength: 262_144 }),
            },
            { additionalProperties: false },
          ),
        },
        { additionalProperties: false },
      ),
      handle: async (request) => {
        const row = await importRecord(core, request, request.body['backup-record']);
        return { status: 201, body: { backup: backupSummary(request, row) } };
      },
    }),
    ...scoped({
      method: 'POST',
      path: '/backups/:backup_id/action',
      policy: 'backup:get',
      target,
      body: Type.Object({}, { minProperties: 1, maxProperties: 1 }),
      handle: (request) => backupAction(core, request, theBackup),
    }),
  ];
}

export async function beginBackupDelete(
  core: VolumeCore,
  transaction: Tx,
  request: Request,
  row: BackupRow,
): Promise<void> {
  if (row.operation_id !== null)
    throw volumeFailure('invalid-backup', { why: 'Backup status must be available or error' });
  const child = await transaction
    .selectFrom('volume_backup')
    .select('id')
    .where('parent_id', '=', row.id)
    .executeTakeFirst();
  // Imported ones have no parent here, but may need its objects all the same.
  const others = await sharersOf(transaction, row);
  const own = row.record_json === null ? undefined : parseRecord(row.record_json).prefix;
  if (child !== undefined || others.some(({ chain }) => own !== undefined && chain.includes(own)))
    throw volumeFailure('invalid-backup', {
      why: 'Incremental backups exist for this backup.',
    });
  await begin(core, transaction, request, {
    table: 'volume_backup',
    id: row.id,
    kind: 'backup.delete',
    workflow: 'backup.delete',
    input: { backupId: row.id, volumeId: row.volume_id },
    projectId: row.project_id,
  });
}

async function backupAction(
  core: VolumeCore,
  request: Request<object>,
  theBackup: (request: Request, from?: Tx) => Promise<BackupRow>,
): Promise<ApiReply> {
  const [name = ''] = Object.keys(request.body);
  const rules: Readonly<Record<string, string>> = {
    'os-reset_status': 'volume_extension:backup_admin_actions:reset_status',
    'os-force_delete': 'volume_extension:backup_admin_actions:force_delete',
  };
  const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
  if (rule === undefined)
    throw volumeFailure('refused', { why: `There is no such action: ${name.slice(0, 64)}` });
  if (!request.may(rule)) throw volumeFailure('forbidden-action', { action: rule });
  await core.change(async (transaction) => {
    const row = await theBackup(request, transaction);
    const said: unknown = Reflect.get(Reflect.get(request.body, name) ?? {}, 'status');
    if (name === 'os-force_delete') return beginBackupDelete(core, transaction, request, row);
    await sayStatus(transaction, 'volume_backup', row.id, said);
    // A backup is there when its record is.
    const made = row.record_json === null ? 0 : 1;
    await setWorked(transaction, 'volume_backup', row.id, { made });
  });
  return { status: 202 };
}

function exportRecord(row: BackupRow): { backup_service: string; backup_url: string } {
  if (row.record_json === null)
    throw volumeFailure('invalid-backup', {
      why: 'Backup status must be available and not error.',
    });
  const document = {
    version: 1,
    id: row.id,
    volume_id: row.volume_id,
    name: row.name,
    description: row.description,
    size: row.size_gib,
    project_id: row.place_project_id ?? row.project_id,
    container: row.container,
    data_at_us: row.data_at_us,
    ...(row.encryption_key_id === null ? {} : { encryption_key_id: row.encryption_key_id }),
    volume: JSON.parse(row.volume_json) as unknown,
    record: JSON.parse(row.record_json) as unknown,
  };
  return {
    backup_service: service,
    backup_url: Buffer.from(JSON.stringify(document)).toString('base64'),
  };
}

async function importRecord(
  core: VolumeCore,
  request: Request,
  given: { readonly backup_service: string; readonly backup_url: string },
): Promise<BackupRow> {
  if (!services.includes(given.backup_service))
    throw volumeFailure('invalid-backup', {
      why: `there is no backup service ${given.backup_service.slice(0, 64)}.`,
    });
  const document = parseExported(given.backup_url);
  const projectId = projectOf(request);
  const [container, place] = await placeOf(core, request, document);
  const keyId = document.encryption_key_id ?? null;
  if (keyId !== null && !(await core.keys.owned(keyId, projectId)))
    throw volumeFailure('invalid-backup', { why: 'this project does not have its key.' });
  const now = core.clock.nowUs();
  const row: BackupRow = {
    id: document.id,
    volume_id: document.volume_id,
    project_id: projectId,
    user_id: callerOf(request).userId,
    name: document.name,
    description: document.description,
    size_gib: document.size,
    container,
    place_project_id: place === projectId ? null : place,
    parent_id: null,
    snapshot_id: null,
    // Nothing of this cloud goes when it is deleted, whatever snapshot the record names.
    pin_id: '',
    metadata_json: '{}',
    record_json: JSON.stringify(document.record),
    encryption_key_id: keyId,
    volume_json: JSON.stringify(document.volume ?? {}),
    zone: core.settings.zone,
    data_at_us: document.data_at_us,
    created_at_us: now,
    updated_at_us: now,
    made: 1,
    operation_id: null,
    operation_kind: null,
    failure: null,
  };
  await core.changeOf(projectId, async (transaction) => {
    const present = await transaction
      .selectFrom('volume_backup')
      .select('id')
      .where('id', '=', row.id)
      .executeTakeFirst();
    if (present !== undefined)
      throw volumeFailure('invalid-backup', { why: `Backup already exists in database.` });
    await hold(core, transaction, projectId, row.id, backupAmounts(row.size_gib));
    await transaction.insertInto('volume_backup').values(row).execute();
  });
  await holdKey(core, keyId, { kind: 'backups', id: row.id });
  return row;
}

/**
 * Where the backup lies, seen from here: under the name it was made with, or, on the system that it was shipped to as `TARGET:BUCKET`,
 * in the project's container of that name. The record names objects; the whole chain must be there before anybody relies on it.
 */
async function placeOf(
  core: VolumeCore,
  request: Request,
  document: Static<typeof exported>,
): Promise<readonly [container: string, project: string]> {
  const own = projectOf(request);
  const { project_id: maker = own } = document;
  // An administrator may have the record of anybody, whose objects it names.
  const places = callerOf(request).isAdmin ? new Set([own, maker]) : [own];
  let refusal: unknown;
  for (const project of places) {
    try {
      return [await containerOf(core, project, document), project];
    } catch (error) {
      if (!isFailure(error, 'invalid')) throw error;
      refusal = error;
    }
  }
  throw refusal;
}

async function containerOf(
  core: VolumeCore,
  projectId: string,
  document: { readonly container: string; readonly record: EngineBackupRecord },
): Promise<string> {
  const { container, record } = document;
  const bucket = container.slice(container.indexOf(':') + 1);
  let refusal: unknown;
  for (const name of new Set([container, bucket])) {
    try {
      checkPlace(core, projectId, name);
      const store = core.backups.open(projectId, name);
      for (const prefix of [...record.chain, record.prefix]) await store.get(`${prefix}/manifest`);
      return name;
    } catch (error) {
      if (!isFailure(error, 'missing') && !isFailure(error, 'invalid')) throw error;
      refusal = error;
    }
  }
  throw volumeFailure('invalid-backup', { why: 'its objects are not there.' }, refusal);
}

function parseExported(url: string) {
  try {
    const document: unknown = JSON.parse(Buffer.from(url, 'base64').toString('utf8'));
    if (Value.Check(exported, document)) return document;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw volumeFailure('invalid-backup', { why: "Can't parse backup record." });
}

function listBackups(core: VolumeCore, request: Request): Promise<Page<BackupRow>> {
  const { query } = request;
  const status = query.get('status');
  const metadata = query.get('metadata');
  const wanted = metadata === null ? [] : Object.entries(fields.parseDictionary(metadata));
  const incremental = query.get('is_incremental');
  return readPage(
    core.db,
    request,
    {
      table: 'volume_backup',
      filters: {
        id: 'id',
        name: 'name',
        volume_id: 'volume_id',
        snapshot_id: 'snapshot_id',
        container: 'container',
      },
      sortKeys: {
        id: 'id',
        name: 'name',
        created_at: 'created_at_us',
        size: 'size_gib',
        data_timestamp: 'data_at_us',
      },
      defaultSort: 'created_at',
      pageMax: core.settings.pageMax,
      owned: true,
    },
    {
      keep: async (batch) =>
        batch.filter((row) => {
          if (status !== null && backupDetail(request, row, new Set()).status !== status)
            return false;
          if (
            incremental !== null &&
            flagOf(incremental, 'is_incremental') !== (row.parent_id !== null)
          )
            return false;
          const present = fields.parseMap(row.metadata_json);
          return wanted.every(([key, value]) => present[key] === value);
        }),
    },
  );
}
