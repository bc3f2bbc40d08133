/** Which ports a new server gets: of networks that are named, ports that are there already, `auto`, or `none`. */
import Type, { type Static } from 'typebox';
import { isFailure } from '#common';
import type { Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import * as fields from '../fields.ts';

const network = fields.object({
  uuid: Type.Optional(fields.uuid),
  port: fields.optional(fields.uuid),
  fixed_ip: Type.Optional(Type.String({ maxLength: 64 })),
  tag: Type.Optional(Type.String({ minLength: 1, maxLength: 60 })),
});
export const networksField = Type.Union([
  Type.Array(network, { maxItems: 32 }),
  Type.Enum(['auto', 'none']),
]);

export interface PortWish {
  readonly portId: string | undefined;
  readonly networkId: string;
  readonly fixedIp: string | null;
  readonly tag: string | null;
}

export async function portsFor(
  core: ComputeCore,
  request: Request,
  wanted: Static<typeof networksField> | undefined,
  plan: { readonly projectId: string; readonly many: boolean },
): Promise<PortWish[]> {
  if (wanted === 'none') return [];
  if (Array.isArray(wanted) && wanted.length > 0)
    return await Promise.all(wanted.map((one) => named(core, one, plan)));
  if (request.minor >= 37 && wanted === undefined)
    throw computeFailure('schema-invalid', {
      detail: "Invalid input for field 'server': 'networks' is a required property",
    });
  if (core.ports === undefined) return [];
  try {
    const networks = await core.ports.networksFor(plan.projectId);
    return networks.map(({ id }) => ({
      portId: undefined,
      networkId: id,
      fixedIp: null,
      tag: null,
    }));
  } catch (error) {
    if (isFailure(error, 'conflict'))
      throw computeFailure(
        'refused-conflict',
        { why: 'Multiple possible networks found, use a Network ID to be more specific.' },
        error,
      );
    if (isFailure(error, 'missing')) return [];
    throw error;
  }
}

async function named(
  core: ComputeCore,
  one: Static<typeof network>,
  plan: { readonly projectId: string; readonly many: boolean },
): Promise<PortWish> {
  if (core.ports === undefined)
    throw computeFailure('not-implemented', { what: 'Ports (the network service is not there)' });
  const tag = one.tag ?? null;
  if (one.port) {
    if (plan.many) throw refused('One port cannot be given to several servers.');
    return {
      portId: one.port,
      networkId: await networkOf(core, one.port, plan),
      fixedIp: null,
      tag,
    };
  }
  if (one.uuid === undefined) throw refused("Bad networks format: missing 'uuid' or 'port'");
  if (one.fixed_ip !== undefined && plan.many)
    throw refused('A fixed address cannot be given to several servers.');
  return { portId: undefined, networkId: one.uuid, fixedIp: one.fixed_ip ?? null, tag };
}

async function networkOf(
  core: ComputeCore,
  portId: string,
  plan: { readonly projectId: string },
): Promise<string> {
  try {
    const port = await core.ports?.get(portId);
    if (port === undefined || port.projectId !== plan.projectId) throw unknownPort(portId);
    if (port.deviceId !== '')
      throw computeFailure('refused-conflict', { why: `Port ${portId} is still in use.` });
    return port.networkId;
  } catch (error) {
    if (isFailure(error, 'missing')) throw unknownPort(portId);
    throw error;
  }
}

const unknownPort = (id: string) => refused(`Port id ${id} could not be found.`);
