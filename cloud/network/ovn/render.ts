/** The model as OVN's rows: pure, so that the same model always gives the same rows. */
import { Desired } from './desired.ts';
import type { Model } from './model.ts';
import { renderGroups } from './render-groups.ts';
import { renderRouters } from './render-routers.ts';
import { renderSwitches } from './render-switches.ts';

/** A host that can carry traffic. */
export interface Chassis {
  readonly name: string;
  readonly hostname: string;
  /** Physical networks that it has bridges for. */
  readonly physical: readonly string[];
}

export interface RenderOptions {
  readonly chassis: readonly Chassis[];
  readonly dhcpLeaseS: number;
  readonly dnsDomain: string;
  readonly dnsServers: readonly string[];
}

export function render(model: Model, options: RenderOptions): Desired {
  const desired = new Desired();
  const ports = byNetwork(model);
  renderSwitches(desired, model, ports, options);
  renderGroups(desired, model);
  renderRouters(desired, model, options);
  return desired;
}

export type PortsByNetwork = ReadonlyMap<string, readonly import('../model/documents.ts').Port[]>;

function byNetwork(model: Model): PortsByNetwork {
  const found = new Map<string, import('../model/documents.ts').Port[]>();
  for (const port of model.port.values()) {
    const held = found.get(port.network_id);
    if (held === undefined) found.set(port.network_id, [port]);
    else held.push(port);
  }
  return found;
}

/** Physical networks that chassis must have, beside those that the operator names: one per GRE or VXLAN network. */
export const overlayName = (type: string, id: number | null) => `${type}-${id}`;
