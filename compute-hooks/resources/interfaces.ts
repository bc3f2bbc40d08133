/** Ports of servers. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { isFailure } from '#common';
import { type ComputeCaller, compute, parameter, type Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import * as fields from '../fields.ts';
import type { ServerPort } from '../neighbours.ts';
import { portsOf, serverTarget, theServer } from '../rows.ts';
import type { PortRow, ServerRow } from '../tables.ts';
import { beginChange } from './actions/action.ts';
import { portsFor } from './server-networks.ts';
import type { View } from './server-views.ts';
import { refuseLocked } from './servers.ts';

const attachBody = fields.object({
  interfaceAttachment: fields.object({
    net_id: Type.Optional(fields.uuid),
    port_id: Type.Optional(fields.uuid),
    fixed_ips: Type.Optional(
      Type.Array(fields.object({ ip_address: Type.String({ maxLength: 64 }) }), {
        minItems: 1,
        maxItems: 1,
      }),
    ),
    tag: Type.Optional(Type.String({ minLength: 1, maxLength: 60 })),
  }),
});
const states = ['active', 'stopped', 'paused'];

export function interfaceRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const target = serverTarget(core);
  const path = '/servers/:server_id/os-interface';
  const policy = (name: string) => `os_compute_api:os-attach-interfaces:${name}`;
  const own = async (request: Request) => {
    const row = await theServer(core, request);
    const ports = (await core.ports?.list({ deviceIds: [row.id] })) ?? [];
    return { row, ports };
  };
  const thePort = async (request: Request) => {
    const { row, ports } = await own(request);
    const id = parameter(request, 'port_id');
    const port = ports.find((one) => one.id === id);
    if (port === undefined)
      throw computeFailure('missing', { why: `Instance ${row.id} does not have port ${id}` });
    return { row, port };
  };
  return [
    compute({
      method: 'GET',
      path,
      policy: policy('list'),
      target,
      handle: async (request) => ({
        body: {
          interfaceAttachments: (await own(request)).ports.map((port) => viewOf(request, port)),
        },
      }),
    }),
    compute({
      method: 'GET',
      path: `${path}/:port_id`,
      policy: policy('show'),
      target,
      handle: async (request) => ({
        body: { interfaceAttachment: viewOf(request, (await thePort(request)).port) },
      }),
    }),
    compute({
      method: 'POST',
      path,
      policy: policy('create'),
      target,
      body: fields.nullable(attachBody),
      handle: async (request) => {
        const row = await theServer(core, request);
        refuseLocked(request, row);
        const port = await attach(core, request, row, request.body?.interfaceAttachment ?? {});
        return { body: { interfaceAttachment: viewOf(request, port) } };
      },
    }),
    compute({
      method: 'DELETE',
      path: `${path}/:port_id`,
      policy: policy('delete'),
      target,
      handle: async (request) => {
        const { row, port } = await thePort(request);
        refuseLocked(request, row);
        await beginChange(core, request, row, {
          action: 'detach_interface',
          kind: 'server.detach-port',
          change: 'detach-port',
          states,
          input: { portId: port.id },
        });
        return { status: 202 };
      },
    }),
  ];
}

async function attach(
  core: ComputeCore,
  request: Request,
  row: ServerRow,
  wanted: { net_id?: string; port_id?: string; fixed_ips?: { ip_address: string }[]; tag?: string },
): Promise<ServerPort> {
  const { ports } = core;
  if (ports === undefined) throw computeFailure('not-implemented', { what: 'Ports' });
  if (wanted.net_id !== undefined && wanted.port_id !== undefined)
    throw refused('Must not input both network_id and port_id');
  if (wanted.fixed_ips !== undefined && wanted.net_id === undefined)
    throw refused('Must input network_id when request IP address');
  const fixed = wanted.fixed_ips?.[0]?.ip_address;
  const [wish] = await portsFor(
    core,
    request,
    wanted.net_id === undefined && wanted.port_id === undefined
      ? 'auto'
      : [
          {
            ...(wanted.net_id === undefined ? {} : { uuid: wanted.net_id }),
            ...(wanted.port_id === undefined ? {} : { port: wanted.port_id }),
            ...(fixed === undefined ? {} : { fixed_ip: fixed }),
            ...(wanted.tag === undefined ? {} : { tag: wanted.tag }),
          },
        ],
    { projectId: row.project_id, many: false },
  );
  if (wish === undefined) throw refused('No network to attach to.');
  const before = await portsOf(core.db, row.id);
  const port: PortRow = {
    port_id: wish.portId ?? core.newId(),
    server_id: row.id,
    position: before.length,
    network_id: wish.networkId,
    adopted: wish.portId === undefined ? 0 : 1,
    fixed_ip: wish.fixedIp,
    tag: wish.tag,
    made: 0,
  };
  const operation = await beginChange(core, request, row, {
    action: 'attach_interface',
    kind: 'server.attach-port',
    change: 'attach-port',
    states,
    input: { portId: port.port_id },
    also: async (transaction) => {
      await transaction.insertInto('compute_port').values(port).execute();
    },
  });
  // The answer holds the address, so it waits for the port.
  await core.operations.outcome(operation);
  try {
    return await ports.get(port.port_id);
  } catch (error) {
    if (!isFailure(error, 'missing')) throw error;
    const { error: why } = (await core.operations.find(operation)) ?? {};
    throw refused(`The port could not be attached: ${why?.message ?? 'unknown'}`);
  }
}

function viewOf(request: Request, port: ServerPort): View {
  return {
    port_state: port.status,
    port_id: port.id,
    net_id: port.networkId,
    mac_addr: port.macAddress,
    fixed_ips: port.fixedIps.map((ip) => ({ subnet_id: ip.subnetId, ip_address: ip.address })),
    ...(request.minor >= 70 ? { tag: null } : {}),
  };
}
