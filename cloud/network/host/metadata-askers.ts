/** Which networks of a host need metadata, and who it is that asks there. */
import type { NetworkCore } from '../core.ts';
import type { Model } from '../ovn/model.ts';
import type { MetadataAsker, MetadataPlace } from './metadata.ts';

export function metadataPlacesOf(model: Model, hostname: string): MetadataPlace[] {
  const needed = new Set<string>();
  for (const port of model.port.values())
    if (port['binding:host_id'] === hostname || port.nextHost === hostname)
      needed.add(port.network_id);
  const places: MetadataPlace[] = [];
  for (const port of model.port.values()) {
    if (port.device_owner !== 'network:distributed' || !needed.has(port.network_id)) continue;
    const network = model.network.get(port.network_id);
    if (network === undefined) continue;
    const subnets = port.fixed_ips.flatMap((fixed) => model.subnet.get(fixed.subnet_id) ?? []);
    places.push({ network, port, subnets });
  }
  return places;
}

export async function whoIs(
  core: NetworkCore,
  networkId: string,
  address: string,
  /** Where it must be, when that is known. */
  host?: string,
): Promise<MetadataAsker | undefined> {
  const found = await core.list(core.db, 'port', {
    by: { network_id: networkId, fixed_ip: address },
  });
  const [port] = found;
  if (port === undefined || port.device_id === '') return undefined;
  if (host !== undefined && port['binding:host_id'] !== host && port.nextHost !== host)
    return undefined;
  return {
    portId: port.id,
    deviceId: port.device_id,
    projectId: port.project_id,
    networkId,
    address,
  };
}
