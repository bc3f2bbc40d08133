/** Making servers: one or many at once, from an image or a volume, with more disks and ports. */
import Type, { type Static } from 'typebox';
import type { Route } from '#cloud/api';
import { isFailure } from '#common';
import {
  type ComputeCaller,
  callerOf,
  compute,
  flagOf,
  projectOf,
  type Request,
} from '../caller.ts';
import type { ComputeCore, Tx } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import * as fields from '../fields.ts';
import { type FlavorFacts, flavorFacts, quotaAmounts } from '../flavor-facts.ts';
import type { BootImage } from '../neighbours.ts';
import { begin } from '../operations.ts';
import { keepPassword, newPassword } from '../passwords.ts';
import { hold } from '../quotas.ts';
import { place } from '../scheduler.ts';
import type { GroupRow, ServerRow } from '../tables.ts';
import { findFlavor } from './flavors.ts';
import { findKeypair } from './keypairs.ts';
import { blockDevice, type DiskWish, disksFor } from './server-disks.ts';
import { networksField, type PortWish, portsFor } from './server-networks.ts';
import { linksOf } from './server-views.ts';
import { dropVolumes, withVolumes } from './server-volumes.ts';

const hints = Type.Object({}, { additionalProperties: true });
const server = fields.object({
  name: fields.name,
  imageRef: Type.Optional(Type.String({ maxLength: 255 })),
  flavorRef: Type.Union([Type.String({ minLength: 1, maxLength: 255 }), Type.Integer()]),
  adminPass: Type.Optional(Type.String({ maxLength: 255 })),
  metadata: Type.Optional(fields.metadata),
  networks: Type.Optional(networksField),
  'OS-DCF:diskConfig': Type.Optional(Type.Enum(['AUTO', 'MANUAL'])),
  accessIPv4: Type.Optional(Type.String({ maxLength: 64 })),
  accessIPv6: Type.Optional(Type.String({ maxLength: 64 })),
  personality: Type.Optional(Type.Array(Type.Object({}))),
  availability_zone: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  block_device_mapping: Type.Optional(Type.Array(blockDevice, { maxItems: 64 })),
  block_device_mapping_v2: Type.Optional(Type.Array(blockDevice, { maxItems: 64 })),
  config_drive: fields.optional(fields.flag),
  key_name: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  min_count: Type.Optional(fields.count(1)),
  max_count: Type.Optional(fields.count(1)),
  return_reservation_id: Type.Optional(fields.flag),
  security_groups: Type.Optional(Type.Array(Type.Object({ name: fields.name }), { maxItems: 100 })),
  user_data: fields.optional(
    Type.String({ maxLength: 65_535, pattern: '^[A-Za-z0-9+/\\s]*={0,2}\\s*$' }),
  ),
  description: fields.optional(fields.text),
  tags: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 60, pattern: '^[^,/]*$' }), { maxItems: 50 }),
  ),
  trusted_image_certificates: fields.optional(Type.Array(Type.String({ maxLength: 255 }))),
  host: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  hypervisor_hostname: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  hostname: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 63,
      pattern: '^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$',
    }),
  ),
});
const createBody = Type.Object(
  {
    server,
    'os:scheduler_hints': Type.Optional(hints),
    'OS-SCH-HNT:scheduler_hints': Type.Optional(hints),
  },
  { additionalProperties: false },
);
type Wanted = Static<typeof server>;

/** Fields and the version that has them. */
const newer: Readonly<Record<string, number>> = {
  description: 19,
  tags: 52,
  trusted_image_certificates: 63,
  host: 74,
  hypervisor_hostname: 74,
  hostname: 90,
};

const bodyBytesMax = 262_144;

export function createServerRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  return [
    compute({
      method: 'POST',
      path: '/servers',
      policy: 'os_compute_api:servers:create',
      body: createBody,
      bodyBytesMax,
      handle: async (request) => {
        const wanted = request.body.server;
        refuseUnknown(request, wanted);
        const plan = await planOf(core, request, wanted, {
          ...request.body['OS-SCH-HNT:scheduler_hints'],
          ...request.body['os:scheduler_hints'],
        });
        const made = await makeAll(core, request, plan);
        for (const { id } of made) keepPassword(core, id, plan.adminPass);
        const [first] = made;
        if (flagOf(wanted.return_reservation_id, 'return_reservation_id'))
          return { status: 202, body: { reservation_id: plan.reservationId } };
        if (first === undefined) throw refused('Nothing was made.');
        const self = linksOf(request, 'servers', first.id);
        return {
          status: 202,
          headers: { Location: String(self[0]?.href) },
          body: {
            server: {
              id: first.id,
              links: self,
              'OS-DCF:diskConfig': first.disk_config,
              security_groups: plan.groups.map((name) => ({ name })),
              adminPass: plan.adminPass,
            },
          },
        };
      },
    }),
  ];
}

function refuseUnknown(request: Request, wanted: Wanted): void {
  for (const [name, from] of Object.entries(newer))
    if (Reflect.get(wanted, name) !== undefined && request.minor < from)
      throw computeFailure('schema-invalid', {
        detail: `Additional properties are not allowed ('${name}' was unexpected)`,
      });
  if (wanted.personality !== undefined && request.minor >= 57)
    throw computeFailure('schema-invalid', {
      detail: "Additional properties are not allowed ('personality' was unexpected)",
    });
  if ((wanted.personality?.length ?? 0) > 0)
    throw computeFailure('not-implemented', { what: 'Injecting files (use user data)' });
  if (wanted.trusted_image_certificates)
    throw computeFailure('not-implemented', { what: 'Validation by trusted image certificates' });
  const forced = wanted.host !== undefined || wanted.hypervisor_hostname !== undefined;
  if (forced && !request.may('os_compute_api:servers:create:forced_host'))
    throw computeFailure('forbidden-action', {
      action: 'compute:servers:create:requested_destination',
    });
}

interface Plan {
  readonly wanted: Wanted;
  readonly projectId: string;
  readonly userId: string;
  readonly flavor: FlavorFacts;
  readonly image: BootImage | undefined;
  readonly disks: readonly DiskWish[];
  readonly ports: readonly PortWish[];
  readonly key: { readonly name: string; readonly data: string } | undefined;
  readonly groups: readonly string[];
  readonly zone: string | null;
  readonly forcedHost: string | undefined;
  readonly group: GroupRow | undefined;
  readonly hints: Readonly<Record<string, unknown>>;
  readonly count: { readonly min: number; readonly max: number };
  readonly reservationId: string;
  readonly adminPass: string;
}

async function planOf(
  core: ComputeCore,
  request: Request,
  wanted: Wanted,
  hintsOfRequest: Readonly<Record<string, unknown>>,
): Promise<Plan> {
  const projectId = projectOf(request);
  const { userId } = callerOf(request);
  const flavor = flavorFacts(await flavorOf(core, request, String(wanted.flavorRef)));
  const image = wanted.imageRef ? await findImage(core, request, wanted.imageRef) : undefined;
  const count = countOf(core, wanted);
  const { zone, host } = zoneOf(request, wanted);
  const mapped = [
    ...(wanted.block_device_mapping ?? []),
    ...(wanted.block_device_mapping_v2 ?? []),
  ];
  const ports = await portsFor(core, request, wanted.networks, { projectId, many: count.max > 1 });
  return {
    wanted,
    projectId,
    userId,
    flavor,
    image,
    disks: await disksFor(core, request, { projectId, flavor, image, mapped, many: count.max > 1 }),
    ports,
    key: wanted.key_name ? await keyOf(core, userId, wanted.key_name) : undefined,
    groups: [...new Set((wanted.security_groups ?? [{ name: 'default' }]).map(({ name }) => name))],
    zone,
    forcedHost: wanted.host ?? wanted.hypervisor_hostname ?? host,
    group: await groupOf(core, hintsOfRequest.group, projectId),
    hints: hintsOfRequest,
    count,
    adminPass: wanted.adminPass ?? newPassword(core),
    reservationId: `r-${core.newId().replaceAll('-', '').slice(0, 8)}`,
  };
}

/** What cannot be had is a mistake in the request here. */
async function flavorOf(core: ComputeCore, request: Request, ref: string) {
  try {
    return await findFlavor(core, request, ref);
  } catch (error) {
    if (isFailure(error, 'missing')) throw refused(`Flavor ${ref} could not be found.`);
    throw error;
  }
}

export async function findImage(
  core: ComputeCore,
  request: Request,
  ref: string,
): Promise<BootImage> {
  const id = ref.split('/').at(-1) ?? ref;
  if (!new RegExp(fields.uuidPattern).test(id)) throw refused('Invalid imageRef provided.');
  try {
    return await prepared(core, () => core.images.find(id, callerOf(request).token));
  } catch (error) {
    if (isFailure(error, 'missing')) throw refused(`Image ${id} could not be found.`);
    if (isFailure(error, 'conflict'))
      throw refused(`Image ${id} is unacceptable: ${error.message}`);
    if (isFailure(error, 'busy'))
      throw computeFailure('refused-conflict', {
        why: `Image ${id} is being prepared for booting; try again in a moment.`,
      });
    throw error;
  }
}

const preparingMs = 15_000;
const askAgainMs = 200;

/** An image's volume is made in the background when the image becomes active: whoever comes in that moment waits for it. */
async function prepared<T>(core: ComputeCore, find: () => Promise<T>): Promise<T> {
  const untilMs = core.clock.monotonicMs() + preparingMs;
  for (;;)
    try {
      return await find();
    } catch (error) {
      if (!isFailure(error, 'busy') || core.clock.monotonicMs() > untilMs) throw error;
      await core.clock.sleep(askAgainMs);
    }
}

async function keyOf(core: ComputeCore, userId: string, name: string) {
  const row = await findKeypair(core.db, userId, name);
  if (row === undefined) throw refused('Invalid key_name provided.');
  return { name, data: row.public_key };
}

function countOf(core: ComputeCore, wanted: Wanted) {
  const min = Number(wanted.min_count ?? 1);
  const max = Number(wanted.max_count ?? Math.max(min, 1));
  if (min < 1 || max < 1) throw refused('min_count and max_count must be at least 1');
  if (min > max) throw refused('min_count must be <= max_count');
  if (max > core.settings.createMax)
    throw refused(`At most ${core.settings.createMax} servers can be made at once`);
  return { min, max };
}

/** `zone:host`, of which only administrators may say the second part. */
function zoneOf(request: Request, wanted: Wanted): { zone: string | null; host?: string } {
  const [zone = '', host] = (wanted.availability_zone ?? '').split(':');
  if (host && !request.may('os_compute_api:servers:create:forced_host'))
    throw computeFailure('forbidden-action', {
      action: 'os_compute_api:servers:create:forced_host',
    });
  return { zone: zone === '' ? null : zone, ...(host ? { host } : {}) };
}

async function groupOf(core: ComputeCore, id: unknown, projectId: string) {
  if (id === undefined) return undefined;
  const row = await core.db
    .selectFrom('compute_group')
    .selectAll()
    .where('id', '=', String(id))
    .where('project_id', '=', projectId)
    .executeTakeFirst();
  if (row === undefined)
    throw refused(`Instance group ${String(id).slice(0, 64)} could not be found.`);
  return row;
}

/** As many as there is room for between the least and the most that were asked for, in one transaction. */
async function makeAll(core: ComputeCore, request: Request, plan: Plan): Promise<ServerRow[]> {
  await refuseUnknownZone(core, plan);
  const { min, max } = plan.count;
  for (let count = max; ; count = Math.max(min, Math.floor(count / 2))) {
    const disks: DiskWish[][] = [];
    try {
      // Volumes first: the servers' transaction waits for nobody.
      for (let at = 0; at < count; at++) disks.push(await withVolumes(core, request, plan.disks));
      return await core.changeOf(plan.projectId, async (transaction) => {
        const made: ServerRow[] = [];
        for (const [at, own] of disks.entries())
          made.push(
            await makeOne(core, transaction, request, { plan: { ...plan, disks: own }, at, count }),
          );
        return made;
      });
    } catch (error) {
      for (const own of disks) await dropVolumes(core, request, own);
      if (!isFailure(error) || error.code !== 'over-quota' || count === min) throw error;
    }
  }
}

async function refuseUnknownZone(core: ComputeCore, plan: Plan): Promise<void> {
  if (plan.zone === null || plan.zone === core.settings.zone) return;
  const known = await core.db
    .selectFrom('compute_aggregate')
    .select('id')
    .where('zone', '=', plan.zone)
    .executeTakeFirst();
  if (known === undefined) throw refused('The requested availability zone is not available');
}

async function makeOne(
  core: ComputeCore,
  transaction: Tx,
  request: Request,
  { plan, at, count }: { readonly plan: Plan; readonly at: number; readonly count: number },
): Promise<ServerRow> {
  const row = rowOf(core, plan, at, count);
  await hold(
    core,
    transaction,
    { scope: plan.projectId, holder: row.id },
    quotaAmounts(plan.flavor),
  );
  const placed = await place(core, transaction, {
    serverId: row.id,
    projectId: plan.projectId,
    userId: plan.userId,
    flavor: plan.flavor,
    zone: plan.zone,
    group: plan.group,
    hints: plan.hints,
    ...(plan.forcedHost === undefined ? {} : { forcedHost: plan.forcedHost }),
  });
  const found: ServerRow =
    'why' in placed
      ? {
          ...row,
          operation_kind: 'server.create',
          failure: placed.why,
          failed_at_us: row.created_at_us,
        }
      : { ...row, host: placed.host, zone: placed.zone };
  await transaction.insertInto('compute_server').values(found).execute();
  await insertParts(core, transaction, row.id, plan);
  if (found.host !== null)
    await begin(core, transaction, request, {
      server: found,
      kind: 'server.create',
      action: 'create',
      workflow: 'server.create',
      input: { serverId: row.id },
    });
  return found;
}

async function insertParts(core: ComputeCore, transaction: Tx, serverId: string, plan: Plan) {
  const created_at_us = core.clock.nowUs();
  const disks = plan.disks.map((disk, at) => {
    const id = core.newId();
    const volume_id = disk.volumeId ?? core.newId();
    const { kind, device, tag } = disk;
    return {
      id,
      server_id: serverId,
      kind,
      volume_id,
      device,
      boot_index: disk.bootIndex,
      size_gib: disk.sizeGib,
      source_id: disk.sourceId,
      delete_on_termination: disk.deleteOnTermination ? 1 : 0,
      tag,
      connected: 0,
      created_at_us: created_at_us + at,
    };
  });
  if (disks.length > 0) await transaction.insertInto('compute_disk').values(disks).execute();
  const ports = plan.ports.map((port, position) => ({
    port_id: port.portId ?? core.newId(),
    server_id: serverId,
    position,
    network_id: port.networkId,
    adopted: port.portId === undefined ? 0 : 1,
    fixed_ip: port.fixedIp,
    tag: port.tag,
    made: 0,
  }));
  if (ports.length > 0) await transaction.insertInto('compute_port').values(ports).execute();
}

function rowOf(core: ComputeCore, plan: Plan, at: number, count: number): ServerRow {
  const { wanted, flavor, image, key } = plan;
  const id = core.newId();
  const now = core.clock.nowUs();
  const plain = wanted.name.trim();
  const name = count > 1 ? `${plain}-${at + 1}` : plain;
  return {
    id,
    project_id: plan.projectId,
    user_id: plan.userId,
    name,
    hostname:
      wanted.hostname === undefined
        ? hostnameOf(name, id)
        : count > 1
          ? `${wanted.hostname}-${at + 1}`
          : wanted.hostname,
    description: wanted.description ?? null,
    flavor_id: flavor.id,
    flavor_json: JSON.stringify(flavor),
    image_id: image?.id ?? null,
    image_json: JSON.stringify(image?.properties ?? {}),
    key_name: key?.name ?? null,
    key_data: key?.data ?? null,
    user_data: wanted.user_data || null,
    config_drive: flagOf(wanted.config_drive, 'config_drive') ? 1 : 0,
    metadata_json: JSON.stringify(wanted.metadata ?? {}),
    tags_json: JSON.stringify([...new Set(wanted.tags ?? [])]),
    zone: plan.zone,
    host: null,
    reservation_id: plan.reservationId,
    launch_index: at,
    access_ip_v4: fields.address(wanted.accessIPv4 ?? '', 4),
    access_ip_v6: fields.address(wanted.accessIPv6 ?? '', 6),
    disk_config: wanted['OS-DCF:diskConfig'] ?? 'MANUAL',
    locked_by: null,
    locked_reason: null,
    power: 'running',
    mode: 'normal',
    group_id: plan.group?.id ?? null,
    groups_json: JSON.stringify(plan.groups),
    hints_json: JSON.stringify(plan.hints),
    before_json: '{}',
    made: 0,
    operation_id: null,
    operation_kind: null,
    failure: null,
    failed_at_us: null,
    created_at_us: now,
    updated_at_us: now,
    launched_at_us: null,
    password: null,
    deleted_at_us: null,
  };
}

/** A name that resolvers take, made from a name that people took. */
export function hostnameOf(name: string, id: string): string {
  const plain = name
    .normalize('NFKD')
    .replace(/[ _]/g, '-')
    .replace(/[^\w.-]/g, '')
    .toLowerCase()
    .replace(/[.-]*$/, '')
    .replace(/^[.-]*/, '')
    .slice(0, 63);
  return plain === '' ? `Server-${id}` : plain;
}
