/** Servers as the API shows them, version by version. */
import { createHash } from 'node:crypto';
import type { Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { parseList, parseMap, stampOf, timeOf } from '../fields.ts';
import { parseFlavor } from '../flavor-facts.ts';
import type { ServerPort } from '../neighbours.ts';
import { isUp } from '../scheduler.ts';
import { isBroken, powerState, serverStatus, taskState, vmState } from '../status.ts';
import type { DiskRow, ServerRow } from '../tables.ts';

export type View = Record<string, unknown>;

export interface ServerFacts {
  readonly row: ServerRow;
  readonly ports: readonly ServerPort[];
  readonly disks: readonly DiskRow[];
}

const oneQueryMax = 500;

/** What a page of servers is shown from, asked for at once. */
export async function serverFacts(
  core: ComputeCore,
  rows: readonly ServerRow[],
): Promise<ServerFacts[]> {
  const found: ServerFacts[] = [];
  for (let from = 0; from < rows.length; from += oneQueryMax) {
    const batch = rows.slice(from, from + oneQueryMax);
    const ids = batch.map(({ id }) => id);
    const ports = (await core.ports?.list({ deviceIds: ids })) ?? [];
    const disks = await core.db
      .selectFrom('compute_disk')
      .selectAll()
      .where('server_id', 'in', ids)
      .where('kind', '=', 'volume')
      .orderBy('created_at_us')
      .execute();
    const portsOf = Map.groupBy(ports, (port) => port.deviceId);
    const disksOf = Map.groupBy(disks, (disk) => disk.server_id);
    for (const row of batch)
      found.push({ row, ports: portsOf.get(row.id) ?? [], disks: disksOf.get(row.id) ?? [] });
  }
  return found;
}

export function linksOf(request: Request, collection: string, id: string): View[] {
  return [
    { rel: 'self', href: `${request.baseUrl}/v2.1/${collection}/${id}` },
    { rel: 'bookmark', href: `${request.baseUrl}/${collection}/${id}` },
  ];
}

export function serverSummary(request: Request, row: ServerRow): View {
  return { id: row.id, name: row.name, links: linksOf(request, 'servers', row.id) };
}

export interface DetailOptions {
  /** One server, not one of a list. */
  readonly alone?: boolean;
  readonly hostStatus?: string;
}

export function serverDetail(
  core: ComputeCore,
  request: Request,
  facts: ServerFacts,
  options: DetailOptions = {},
): View {
  const { row, ports } = facts;
  const { minor } = request;
  const gone = row.deleted_at_us !== null;
  return {
    ...serverSummary(request, row),
    status: serverStatus(row),
    tenant_id: row.project_id,
    user_id: row.user_id,
    metadata: parseMap(row.metadata_json),
    hostId: hostIdOf(row),
    image: imageView(request, row),
    flavor: flavorView(request, row),
    created: timeOf(row.created_at_us),
    updated: timeOf(row.updated_at_us),
    addresses: addressesOf(ports),
    accessIPv4: row.access_ip_v4,
    accessIPv6: row.access_ip_v6,
    'OS-DCF:diskConfig': row.disk_config,
    ...(withProgress.has(serverStatus(row)) ? { progress: 0 } : {}),
    'OS-EXT-AZ:availability_zone': row.host === null ? '' : (row.zone ?? core.settings.zone),
    config_drive: row.config_drive === 1 ? 'True' : '',
    key_name: row.key_name,
    'OS-SRV-USG:launched_at': stampOf(row.launched_at_us),
    'OS-SRV-USG:terminated_at': stampOf(row.deleted_at_us),
    ...(isBroken(row) || gone ? faultOf(request, row) : {}),
    ...securityGroupsOf(ports),
    ...administratorView(request, row),
    'OS-EXT-STS:task_state': taskState(row),
    'OS-EXT-STS:vm_state': vmState(row),
    'OS-EXT-STS:power_state': powerState(row),
    'os-extended-volumes:volumes_attached': facts.disks.map((disk) => ({
      id: disk.volume_id,
      ...(minor >= 3 ? { delete_on_termination: disk.delete_on_termination === 1 } : {}),
    })),
    ...(minor >= 9 ? { locked: row.locked_by !== null } : {}),
    ...(minor >= 16 && request.may('os_compute_api:servers:show:host_status')
      ? { host_status: hostStatusOf(row, options.hostStatus) }
      : {}),
    ...(minor >= 19 ? { description: row.description } : {}),
    ...(minor >= 26 ? { tags: parseList(row.tags_json) } : {}),
    ...(minor >= 63 ? { trusted_image_certificates: null } : {}),
    ...(minor >= 71 && options.alone === true
      ? { server_groups: row.group_id === null ? [] : [row.group_id] }
      : {}),
    ...(minor >= 73 ? { locked_reason: row.locked_reason } : {}),
  };
}

/** Statuses that upstream shows a progress with, which it hardly ever fills in. */
const withProgress = new Set([
  'ACTIVE',
  'BUILD',
  'REBUILD',
  'RESIZE',
  'VERIFY_RESIZE',
  'MIGRATING',
]);

const hostStatusOf = (row: ServerRow, status: string | undefined) =>
  row.host === null ? '' : (status ?? 'UP');

/** Tells servers on one host apart from others, and the host's name to nobody. */
function hostIdOf(row: ServerRow): string {
  if (row.host === null) return '';
  return createHash('sha224').update(`${row.project_id}${row.host}`).digest('hex');
}

function imageView(request: Request, row: ServerRow): View | string {
  if (row.image_id === null) return '';
  const href = `${request.baseUrl}/images/${row.image_id}`;
  return { id: row.image_id, links: [{ rel: 'bookmark', href }] };
}

function flavorView(request: Request, row: ServerRow): View {
  const flavor = parseFlavor(row.flavor_json);
  if (request.minor < 47) {
    const href = `${request.baseUrl}/flavors/${flavor.id}`;
    return { id: flavor.id, links: [{ rel: 'bookmark', href }] };
  }
  return {
    vcpus: flavor.vcpus,
    ram: flavor.memoryMib,
    disk: flavor.diskGib,
    ephemeral: flavor.ephemeralGib,
    swap: flavor.swapMib,
    original_name: flavor.name,
    extra_specs: flavor.specs,
  };
}

export function addressesOf(ports: readonly ServerPort[]): Record<string, View[]> {
  const addresses: Record<string, View[]> = {};
  for (const port of ports) {
    const view = (version: number, addr: string, type: string) => ({
      version,
      addr,
      'OS-EXT-IPS:type': type,
      'OS-EXT-IPS-MAC:mac_addr': port.macAddress,
    });
    const list = addresses[port.networkName] ?? [];
    addresses[port.networkName] = list;
    for (const ip of port.fixedIps) {
      list.push(view(ip.version, ip.address, 'fixed'));
      for (const floating of ip.floating ?? []) list.push(view(4, floating, 'floating'));
    }
  }
  return addresses;
}

function securityGroupsOf(ports: readonly ServerPort[]): View {
  const names = [...new Set(ports.flatMap((port) => port.securityGroups.map(({ name }) => name)))];
  return names.length === 0 ? {} : { security_groups: names.map((name) => ({ name })) };
}

function faultOf(request: Request, row: ServerRow): View {
  if (row.failure === null) return {};
  return {
    fault: {
      code: 500,
      created: timeOf(row.failed_at_us ?? row.updated_at_us),
      message: row.failure,
      ...(request.caller?.isAdmin ? { details: `${row.operation_kind}: ${row.failure}` } : {}),
    },
  };
}

function administratorView(request: Request, row: ServerRow): View {
  const hostname = { 'OS-EXT-SRV-ATTR:hostname': row.hostname };
  if (!request.may('os_compute_api:os-extended-server-attributes'))
    return request.minor >= 90 ? hostname : {};
  return {
    'OS-EXT-SRV-ATTR:host': row.host,
    'OS-EXT-SRV-ATTR:instance_name': `instance-${row.id.slice(0, 8)}`,
    'OS-EXT-SRV-ATTR:hypervisor_hostname': row.host,
    ...(request.minor >= 3
      ? {
          'OS-EXT-SRV-ATTR:reservation_id': row.reservation_id,
          'OS-EXT-SRV-ATTR:launch_index': row.launch_index,
          ...hostname,
          'OS-EXT-SRV-ATTR:kernel_id': '',
          'OS-EXT-SRV-ATTR:ramdisk_id': '',
          'OS-EXT-SRV-ATTR:root_device_name': '/dev/vda',
          'OS-EXT-SRV-ATTR:user_data': row.user_data,
        }
      : {}),
  };
}

/** How the server's host is: for those who look at hosts. */
export async function hostStatus(core: ComputeCore, row: ServerRow): Promise<string> {
  if (row.host === null) return '';
  const host = await core.db
    .selectFrom('compute_host')
    .selectAll()
    .where('name', '=', row.host)
    .executeTakeFirst();
  if (host === undefined || !isUp(core, host)) return host?.forced_down === 1 ? 'DOWN' : 'UNKNOWN';
  return host.disabled === 1 ? 'MAINTENANCE' : 'UP';
}
