/** What belongs to one server: metadata, tags, addresses, history, diagnostics, topology. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { type ComputeCaller, compute, parameter, type Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import * as fields from '../fields.ts';
import { parseFlavor } from '../flavor-facts.ts';
import { resourceOf } from '../quotas.ts';
import { serverTarget, theServer } from '../rows.ts';
import type { ActionRow, ServerRow } from '../tables.ts';
import { addressesOf, type View } from './server-views.ts';
import { refuseLocked } from './servers.ts';

export function serverDetailRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  return [
    ...metadataRoutes(core),
    ...tagRoutes(core),
    ...addressRoutes(core),
    ...historyRoutes(core),
    ...diagnosticRoutes(core),
  ];
}

async function write(core: ComputeCore, row: ServerRow, change: Partial<ServerRow>): Promise<void> {
  await core.db
    .updateTable('compute_server')
    .set({ ...change, updated_at_us: core.clock.nowUs() })
    .where('id', '=', row.id)
    .execute();
}

function metadataRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const target = serverTarget(core);
  const path = '/servers/:server_id/metadata';
  const policy = (name: string) => `os_compute_api:server-metadata:${name}`;
  const body = fields.object({ metadata: fields.metadata });
  const one = fields.object({
    meta: Type.Record(
      Type.String({ pattern: '^[a-zA-Z0-9-_:. ]{1,255}$' }),
      Type.String({ maxLength: 255 }),
      { additionalProperties: false, minProperties: 1, maxProperties: 1 },
    ),
  });
  const change = async (
    request: Request,
    after: (now: Record<string, string>) => Record<string, string>,
  ) => {
    const row = await theServer(core, request);
    refuseLocked(request, row);
    const metadata = after(fields.parseMap(row.metadata_json));
    const limits = await core.quotas.limits(row.project_id, 'compute');
    const most = limits[resourceOf('metadata_items')] ?? -1;
    if (most >= 0 && Object.keys(metadata).length > most)
      throw computeFailure('forbidden', {
        why: `Maximum number of metadata items exceeds ${most}`,
      });
    await write(core, row, { metadata_json: JSON.stringify(metadata) });
    return metadata;
  };
  const theKey = async (request: Request) => {
    const metadata = fields.parseMap((await theServer(core, request)).metadata_json);
    const key = parameter(request, 'key');
    const value = metadata[key];
    if (value === undefined)
      throw computeFailure('missing', { why: 'Metadata item was not found' });
    return { key, value };
  };
  return [
    compute({
      method: 'GET',
      path,
      policy: policy('index'),
      target,
      handle: async (request) => ({
        body: { metadata: fields.parseMap((await theServer(core, request)).metadata_json) },
      }),
    }),
    compute({
      method: 'POST',
      path,
      policy: policy('create'),
      target,
      body,
      handle: async (request) => ({
        body: { metadata: await change(request, (now) => ({ ...now, ...request.body.metadata })) },
      }),
    }),
    compute({
      method: 'PUT',
      path,
      policy: policy('update_all'),
      target,
      body,
      handle: async (request) => ({
        body: { metadata: await change(request, () => request.body.metadata) },
      }),
    }),
    compute({
      method: 'GET',
      path: `${path}/:key`,
      policy: policy('show'),
      target,
      handle: async (request) => {
        const { key, value } = await theKey(request);
        return { body: { meta: { [key]: value } } };
      },
    }),
    compute({
      method: 'PUT',
      path: `${path}/:key`,
      policy: policy('update'),
      target,
      body: one,
      handle: async (request) => {
        const { meta } = request.body;
        if (!Object.hasOwn(meta, parameter(request, 'key')))
          throw refused('Request body and URI mismatch');
        await change(request, (now) => ({ ...now, ...meta }));
        return { body: { meta } };
      },
    }),
    compute({
      method: 'DELETE',
      path: `${path}/:key`,
      policy: policy('delete'),
      target,
      handle: async (request) => {
        const { key } = await theKey(request);
        await change(request, ({ [key]: _gone, ...rest }) => rest);
        return { status: 204 };
      },
    }),
  ];
}

const tagsMax = 50;

function tagRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const target = serverTarget(core);
  const path = '/servers/:server_id/tags';
  const versions = { from: '2.26' };
  const policy = (name: string) => `os_compute_api:os-server-tags:${name}`;
  const tagsOf = (row: ServerRow) => fields.parseList(row.tags_json);
  const tag = Type.String({ minLength: 1, maxLength: 60, pattern: '^[^,/]*$' });
  const missing = (row: ServerRow, name: string) =>
    computeFailure('missing', { why: `Server ${row.id} has no tag '${name}'` });
  return [
    compute({
      method: 'GET',
      path,
      policy: policy('index'),
      versions,
      target,
      handle: async (request) => ({ body: { tags: tagsOf(await theServer(core, request)) } }),
    }),
    compute({
      method: 'PUT',
      path,
      policy: policy('update_all'),
      versions,
      target,
      body: fields.object({ tags: Type.Array(tag, { maxItems: tagsMax }) }),
      handle: async (request) => {
        const tags = [...new Set(request.body.tags)];
        const row = await theServer(core, request);
        await write(core, row, { tags_json: JSON.stringify(tags) });
        return { body: { tags } };
      },
    }),
    compute({
      method: 'DELETE',
      path,
      policy: policy('delete_all'),
      versions,
      target,
      handle: async (request) => {
        await write(core, await theServer(core, request), { tags_json: '[]' });
        return { status: 204 };
      },
    }),
    compute({
      method: 'GET',
      path: `${path}/:tag`,
      policy: policy('show'),
      versions,
      target,
      handle: async (request) => {
        const row = await theServer(core, request);
        const name = parameter(request, 'tag');
        if (!tagsOf(row).includes(name)) throw missing(row, name);
        return { status: 204 };
      },
    }),
    compute({
      method: 'PUT',
      path: `${path}/:tag`,
      policy: policy('update'),
      versions,
      target,
      handle: async (request) => {
        const row = await theServer(core, request);
        const name = parameter(request, 'tag');
        if (!/^[^,/]{1,60}$/.test(name)) throw refused(`Invalid tag '${name.slice(0, 64)}'`);
        const tags = tagsOf(row);
        if (tags.includes(name)) return { status: 204 };
        if (tags.length >= tagsMax)
          throw refused(`The number of tags exceeded the per-server limit ${tagsMax}`);
        await write(core, row, { tags_json: JSON.stringify([...tags, name]) });
        return {
          status: 201,
          headers: {
            Location: `${request.baseUrl}/v2.1/servers/${row.id}/tags/${encodeURIComponent(name)}`,
          },
        };
      },
    }),
    compute({
      method: 'DELETE',
      path: `${path}/:tag`,
      policy: policy('delete'),
      versions,
      target,
      handle: async (request) => {
        const row = await theServer(core, request);
        const name = parameter(request, 'tag');
        const tags = tagsOf(row);
        if (!tags.includes(name)) throw missing(row, name);
        await write(core, row, { tags_json: JSON.stringify(tags.filter((one) => one !== name)) });
        return { status: 204 };
      },
    }),
  ];
}

function addressRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const target = serverTarget(core);
  const path = '/servers/:server_id/ips';
  const plain = async (request: Request) => {
    const row = await theServer(core, request);
    const ports = (await core.ports?.list({ deviceIds: [row.id] })) ?? [];
    return Object.fromEntries(
      Object.entries(addressesOf(ports)).map(([network, list]) => [
        network,
        list.map(({ version, addr }) => ({ version, addr })),
      ]),
    );
  };
  return [
    compute({
      method: 'GET',
      path,
      policy: 'os_compute_api:ips:index',
      target,
      handle: async (request) => ({ body: { addresses: await plain(request) } }),
    }),
    compute({
      method: 'GET',
      path: `${path}/:network`,
      policy: 'os_compute_api:ips:show',
      target,
      handle: async (request) => {
        const name = parameter(request, 'network');
        const list = (await plain(request))[name];
        if (list === undefined)
          throw computeFailure('missing', { why: 'Instance is not a member of specified network' });
        return { body: { [name]: list } };
      },
    }),
  ];
}

function historyRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const path = '/servers/:server_id/os-instance-actions';
  // History outlives its server.
  const theRow = async (request: Request) => {
    const id = parameter(request, 'server_id');
    const row = await core.db
      .selectFrom('compute_server')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    const mine = row?.project_id === request.caller?.projectId || request.caller?.isAdmin;
    const shown = row?.deleted_at_us === null || request.minor >= 21;
    if (row === undefined || !mine || !shown)
      throw computeFailure('missing', { why: `Instance ${id} could not be found.` });
    return row;
  };
  const target = async (request: Request) => ({ project_id: (await theRow(request)).project_id });
  const view = (request: Request, row: ActionRow): View => ({
    action: row.action,
    instance_uuid: row.server_id,
    request_id: row.request_id,
    user_id: row.user_id,
    project_id: row.project_id,
    start_time: fields.stampOf(row.started_at_us),
    message: row.message,
    ...(request.minor >= 58
      ? { updated_at: fields.stampOf(row.ended_at_us ?? row.started_at_us) }
      : {}),
  });
  return [
    compute({
      method: 'GET',
      path,
      policy: 'os_compute_api:os-instance-actions:list',
      target,
      handle: async (request) => {
        const server = await theRow(request);
        const asked = request.query.get('limit');
        if (asked !== null && !/^\d{1,9}$/.test(asked))
          throw refused('limit must be a whole number');
        const limit = Math.min(Number(asked ?? 0) || core.settings.pageMax, core.settings.pageMax);
        const all = await core.db
          .selectFrom('compute_action')
          .selectAll()
          .where('server_id', '=', server.id)
          .orderBy('started_at_us', 'desc')
          .orderBy('id')
          .execute();
        const marker = request.query.get('marker');
        const start = marker === null ? 0 : all.findIndex((row) => row.request_id === marker) + 1;
        const rows = all.slice(start, start + limit);
        return { body: { instanceActions: rows.map((row) => view(request, row)) } };
      },
    }),
    compute({
      method: 'GET',
      path: `${path}/:request_id`,
      policy: 'os_compute_api:os-instance-actions:show',
      target,
      handle: async (request) => {
        const server = await theRow(request);
        const id = parameter(request, 'request_id');
        const row = await core.db
          .selectFrom('compute_action')
          .selectAll()
          .where('server_id', '=', server.id)
          .where('request_id', '=', id)
          .executeTakeFirst();
        if (row === undefined)
          throw computeFailure('missing', {
            why: `Action for request_id ${id} on instance ${server.id} not found`,
          });
        const event = {
          event: `compute_${row.action}`,
          start_time: fields.stampOf(row.started_at_us),
          finish_time: fields.stampOf(row.ended_at_us),
          result: row.ended_at_us === null ? null : row.message === null ? 'Success' : 'Error',
          traceback: null,
          ...(request.minor >= 62 && request.caller?.isAdmin ? { host: row.host } : {}),
          ...(request.minor >= 84 ? { details: row.message === null ? null : server.failure } : {}),
        };
        return { body: { instanceAction: { ...view(request, row), events: [event] } } };
      },
    }),
  ];
}

function diagnosticRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const target = serverTarget(core);
  return [
    compute({
      method: 'GET',
      path: '/servers/:server_id/diagnostics',
      policy: 'os_compute_api:os-server-diagnostics',
      target,
      handle: async (request) => {
        const row = await theServer(core, request);
        const { hypervisor } = core.host(row.host);
        const found = await hypervisor.diagnostics(row.id);
        const { type } = await hypervisor.facts();
        return { body: request.minor >= 48 ? standard(row, found, type) : raw(found) };
      },
    }),
    compute({
      method: 'GET',
      path: '/servers/:server_id/topology',
      policy: 'os_compute_api:compute:server:topology:index',
      versions: { from: '2.78' },
      target,
      handle: async (request) => {
        await theServer(core, request);
        return { body: { nodes: [], pagesize_kb: null } };
      },
    }),
    compute({
      method: 'GET',
      path: '/servers/:server_id/os-security-groups',
      policy: 'os_compute_api:servers:show',
      target,
      handle: async (request) => {
        const row = await theServer(core, request);
        const ports = (await core.ports?.list({ deviceIds: [row.id] })) ?? [];
        const groups = new Map(
          ports.flatMap((port) => port.securityGroups.map((one) => [one.id, one])),
        );
        return {
          body: {
            security_groups: [...groups.values()].map(({ id, name }) => ({
              id,
              name,
              description: '',
              tenant_id: row.project_id,
              rules: [],
            })),
          },
        };
      },
    }),
  ];
}

type Found = Awaited<ReturnType<import('../drivers/driver.ts').Hypervisor['diagnostics']>>;

function standard(row: ServerRow, found: Found, type: string): View {
  return {
    config_drive: row.config_drive === 1,
    driver: 'libvirt',
    hypervisor: type.toLowerCase(),
    hypervisor_os: 'linux',
    uptime: found.uptimeS,
    state: found.state,
    num_cpus: parseFlavor(row.flavor_json).vcpus,
    num_nics: 0,
    num_disks: found.disks.length,
    cpu_details: found.cpuTimesNs.map((time, id) => ({ id, time, utilisation: null })),
    nic_details: [],
    disk_details: found.disks.map((disk) => ({
      read_bytes: disk.readBytes,
      read_requests: disk.readRequests,
      write_bytes: disk.writeBytes,
      write_requests: disk.writeRequests,
      errors_count: disk.errors,
    })),
    memory_details: { maximum: found.memoryMaxMib, used: found.memoryUsedMib },
  };
}

function raw(found: Found): View {
  return {
    ...Object.fromEntries(found.cpuTimesNs.map((time, at) => [`cpu${at}_time`, time])),
    ...Object.assign(
      {},
      ...found.disks.map((disk, at) => ({
        [`vd${String.fromCharCode(97 + at)}_read`]: disk.readBytes,
        [`vd${String.fromCharCode(97 + at)}_read_req`]: disk.readRequests,
        [`vd${String.fromCharCode(97 + at)}_write`]: disk.writeBytes,
        [`vd${String.fromCharCode(97 + at)}_write_req`]: disk.writeRequests,
        [`vd${String.fromCharCode(97 + at)}_errors`]: disk.errors,
      })),
    ),
    memory: found.memoryMaxMib * 1024,
    'memory-actual': found.memoryUsedMib * 1024,
  };
}
