/** What administrators see of the service itself: processes, pools, hosts, messages to users. */
import { sql } from 'kysely';
import Type from 'typebox';
import type { ApiReply, Route } from '../../api/index.ts';
import { isVisible, parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import { notFound, volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { readPage } from '../listing.ts';
import type { MessageRow } from '../tables.ts';
import { linksOf, pageReply, type View } from '../views.ts';
import { freeze, refuseFrozen, thaw } from './frozen.ts';
import { poolOf } from './volume-views.ts';

const binaries = ['cinder-scheduler', 'cinder-volume', 'cinder-backup'];

export function serviceRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  return [
    ...scoped({
      method: 'GET',
      path: '/os-services',
      policy: 'volume_extension:services:index',
      handle: (request) => listServices(core, request),
    }),
    ...scoped({
      method: 'PUT',
      path: '/os-services/:action',
      policy: 'volume_extension:services:update',
      body: Type.Object({
        host: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
        binary: Type.Optional(Type.String({ maxLength: 255 })),
        service: Type.Optional(Type.String({ maxLength: 255 })),
        disabled_reason: fields.optional(fields.text),
      }),
      handle: (request) => changeService(core, request),
    }),
    ...scoped({
      method: 'GET',
      path: '/scheduler-stats/get_pools',
      policy: 'scheduler_extension:scheduler_stats:get_pools',
      handle: async (request) => {
        const name = poolOf(core);
        const asked = request.version.minor >= 28 ? request.query.get('name') : null;
        if (asked !== null && asked !== name) return { body: { pools: [] } };
        const detail = /^(true|1|yes)$/i.test(request.query.get('detail') ?? '');
        const capabilities = detail ? { capabilities: await capabilitiesOf(core) } : {};
        return { body: { pools: [{ name, ...capabilities }] } };
      },
    }),
    ...scoped({
      method: 'GET',
      path: '/capabilities/:host',
      policy: 'volume_extension:capabilities',
      handle: async (request) => {
        const host = parameter(request, 'host');
        const known = [core.host, `${core.host}@pileus`, poolOf(core)];
        if (!known.includes(host)) throw notFound('Host', host);
        return {
          body: {
            namespace: `OS::Storage::Capabilities::${core.host}`,
            vendor_name: 'Pileus',
            volume_backend_name: 'pileus',
            pool_name: 'pileus',
            driver_version: '1',
            storage_protocol: 'nbd',
            display_name: 'Pileus',
            description: 'Log-structured volumes over the object store',
            visibility: null,
            replication_targets: [],
            properties: {},
          },
        };
      },
    }),
    ...messageRoutes(core),
  ];
}

async function listServices(core: VolumeCore, request: Request): Promise<ApiReply> {
  const { query } = request;
  const disabled = await core.db.selectFrom('volume_disabled_service').selectAll().execute();
  const services = binaries.map((binary) => {
    const host = binary === 'cinder-volume' ? `${core.host}@pileus` : core.host;
    const off = disabled.find(({ id }) => id === `${binary}/${host}`);
    return {
      binary,
      host,
      zone: core.settings.zone,
      status: off === undefined ? 'enabled' : 'disabled',
      // Whoever answers this request is the process that does all three jobs.
      state: 'up',
      updated_at: fields.timeOf(core.clock.nowUs()),
      disabled_reason: off?.reason ?? null,
      ...(request.version.minor >= 7 ? { cluster: null } : {}),
      ...(binary === 'cinder-volume'
        ? {
            replication_status: 'not-capable',
            active_backend_id: null,
            frozen: false,
            ...(request.version.minor >= 49 ? { backend_state: 'up' } : {}),
          }
        : {}),
    };
  });
  const wanted = services.filter(
    ({ binary, host }) =>
      (query.get('binary') ?? binary) === binary &&
      [host, core.host].includes(query.get('host') ?? host),
  );
  return { body: { services: wanted } };
}

async function changeService(
  core: VolumeCore,
  request: Request<{
    host?: string;
    binary?: string;
    service?: string;
    disabled_reason?: string | null;
  }>,
): Promise<ApiReply> {
  const what = parameter(request, 'action');
  const { host = '', disabled_reason: reason } = request.body;
  const binary = request.body.binary ?? request.body.service ?? '';
  const replicates = ['freeze', 'thaw', 'failover_host', 'failover'].includes(what);
  const hosts = [core.host, `${core.host}@pileus`];
  if (replicates && !hosts.includes(host))
    throw volumeFailure('invalid-input', {
      why: `there is no volume service on host ${host.slice(0, 64)}`,
    });
  if (what === 'freeze' || what === 'thaw') {
    await (what === 'freeze' ? freeze(core) : thaw(core));
    return { status: 202 };
  }
  if (replicates)
    throw volumeFailure('not-implemented', { what: `${what}: replication to another back end` });
  if (!['enable', 'disable', 'disable-log-reason'].includes(what))
    throw notFound('Service action', what);
  const known = binaries.includes(binary) && [core.host, `${core.host}@pileus`].includes(host);
  if (!known) throw notFound('Service', `${binary} on host ${host}`);
  const id = `${binary}/${host}`;
  if (what === 'disable-log-reason' && (reason ?? '').trim() === '')
    throw volumeFailure('refused', {
      why: 'Disabled reason contains invalid characters or is too long.',
    });
  if (what === 'enable')
    await core.db.deleteFrom('volume_disabled_service').where('id', '=', id).execute();
  else {
    const row = { id, reason: reason ?? null, since_us: core.clock.nowUs() };
    await core.db
      .insertInto('volume_disabled_service')
      .values(row)
      .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
      .execute();
  }
  return {
    body: {
      host,
      service: binary,
      binary,
      disabled: what !== 'enable',
      status: what === 'enable' ? 'enabled' : 'disabled',
      ...(what === 'disable-log-reason' ? { disabled_reason: reason } : {}),
    },
  };
}

/** Nothing new is put on a volume service that an administrator has disabled. */
export async function refuseDisabled(core: VolumeCore): Promise<void> {
  const off = await core.db
    .selectFrom('volume_disabled_service')
    .select('id')
    .where('id', '=', `cinder-volume/${core.host}@pileus`)
    .executeTakeFirst();
  if (off !== undefined)
    throw volumeFailure('refused', {
      why: 'No valid backend was found: the volume service is disabled.',
    });
  await refuseFrozen(core, core.db);
}

async function capabilitiesOf(core: VolumeCore): Promise<View> {
  const { gib, volumes } = await core.db
    .selectFrom('volume')
    .select((select) => [
      select.fn.coalesce(select.fn.sum<number>('size_gib'), sql<number>`0`).as('gib'),
      select.fn.countAll<number>().as('volumes'),
    ])
    .executeTakeFirstOrThrow();
  const space = await core.space();
  return {
    volume_backend_name: 'pileus',
    pool_name: 'pileus',
    vendor_name: 'Pileus',
    driver_version: '1',
    storage_protocol: 'nbd',
    total_capacity_gb: space.totalBytes / 2 ** 30,
    free_capacity_gb: space.freeBytes / 2 ** 30,
    provisioned_capacity_gb: Number(gib),
    allocated_capacity_gb: Number(gib),
    total_volumes: Number(volumes),
    thin_provisioning_support: true,
    thick_provisioning_support: false,
    multiattach: true,
    online_extend_support: true,
    QoS_support: true,
    reserved_percentage: 0,
    max_over_subscription_ratio: '20.0',
    timestamp: fields.timeOf(core.clock.nowUs()),
    backend_state: 'up',
  };
}

function messageRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const { db } = core;
  const versions = { from: '3.3' };
  const theMessage = async (request: Request): Promise<MessageRow> => {
    const id = parameter(request, 'message_id');
    const row = await db
      .selectFrom('volume_message')
      .selectAll()
      .where('id', '=', id)
      .where('forget_at_us', '>', core.clock.nowUs())
      .executeTakeFirst();
    if (row === undefined || !isVisible(request, row)) throw notFound('Message', id);
    return row;
  };
  const target = async (request: Request) => ({
    project_id: (await theMessage(request)).project_id,
  });
  return [
    ...scoped({
      method: 'GET',
      path: '/messages',
      policy: 'message:get_all',
      versions,
      handle: async (request) => {
        const page = await readPage(
          db,
          request,
          {
            table: 'volume_message',
            filters: {
              event_id: 'event_id',
              resource_uuid: 'resource_id',
              resource_type: 'resource_type',
              request_id: 'request_id',
              message_level: 'level',
            },
            sortKeys: {
              created_at: 'created_at_us',
              id: 'id',
              event_id: 'event_id',
              resource_type: 'resource_type',
              message_level: 'level',
              request_id: 'request_id',
              resource_uuid: 'resource_id',
            },
            defaultSort: 'created_at',
            pageMax: core.settings.pageMax,
            owned: true,
          },
          { where: [sql<boolean>`forget_at_us > ${core.clock.nowUs()}`] },
        );
        return pageReply(request, 'messages', page, (row) => messageView(request, row));
      },
    }),
    ...scoped({
      method: 'GET',
      path: '/messages/:message_id',
      policy: 'message:get',
      versions,
      target,
      handle: async (request) => ({
        body: { message: messageView(request, await theMessage(request)) },
      }),
    }),
    ...scoped({
      method: 'DELETE',
      path: '/messages/:message_id',
      policy: 'message:delete',
      versions,
      target,
      handle: async (request) => {
        const row = await theMessage(request);
        await db.deleteFrom('volume_message').where('id', '=', row.id).execute();
        return { status: 204 };
      },
    }),
  ];
}

function messageView(request: Request, row: MessageRow): View {
  return {
    id: row.id,
    event_id: row.event_id,
    user_message: row.text,
    message_level: row.level,
    resource_type: row.resource_type,
    resource_uuid: row.resource_id,
    request_id: row.request_id,
    created_at: fields.timeOf(row.created_at_us),
    guaranteed_until: fields.timeOf(row.forget_at_us),
    links: linksOf(request, 'messages', row.id),
  };
}
