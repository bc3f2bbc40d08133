/**
 * GRE and VXLAN networks: a bridge per network on every host, tunnels from each to all others with the network's number as key,
 * joined to OVN as a physical network. Tunnels are protected ports: what comes from one never leaves by another, so that a full
 * mesh has no loops.
 */
import type { Model } from '../ovn/model.ts';
import { overlayName } from '../ovn/render.ts';
import { datapath, type HostSwitch } from './switch.ts';

export interface Overlay {
  readonly type: 'gre' | 'vxlan';
  readonly id: number;
}

export function overlaysOf(model: Model): Overlay[] {
  const found: Overlay[] = [];
  for (const network of model.network.values()) {
    const { 'provider:network_type': type, 'provider:segmentation_id': id } = network;
    if ((type === 'gre' || type === 'vxlan') && id !== null) found.push({ type, id });
  }
  return found.sort((one, other) => one.id - other.id || (one.type < other.type ? -1 : 1));
}

const prefixOf = (host: HostSwitch) => `p${host.options.tag.slice(-4)}`;

/** Short, since a device's name has at most 15 characters. */
const bridgeOf = (host: HostSwitch, { type, id }: Overlay) =>
  `${prefixOf(host)}${type === 'gre' ? 'g' : 'v'}${id.toString(36)}`;

/** Makes these and no others; `peers` are the other hosts' addresses. May be repeated. */
export async function ensureOverlays(
  host: HostSwitch,
  overlays: readonly Overlay[],
  peers: readonly string[],
): Promise<void> {
  const wanted = new Map(overlays.map((overlay) => [bridgeOf(host, overlay), overlay]));
  const present = (await host.configure(['list-br'])).split('\n');
  const pattern = new RegExp(`^${prefixOf(host)}[gv][0-9a-z]+$`);
  for (const bridge of present)
    if (pattern.test(bridge) && !wanted.has(bridge))
      await host.configure(['--if-exists', 'del-br', bridge]);
  for (const [bridge, overlay] of wanted) {
    await host.configure(
      [
        '--may-exist',
        'add-br',
        bridge,
        '--',
        'set',
        'Bridge',
        bridge,
        `datapath_type=${datapath()}`,
      ],
      ...peers.flatMap((peer, at) => tunnel(bridge, `${bridge}${at}`, overlay, peer)),
    );
  }
  await host.map(
    new Map([...wanted].map(([bridge, { type, id }]) => [overlayName(type, id), bridge])),
  );
}

function tunnel(bridge: string, port: string, { type, id }: Overlay, peer: string): string[][] {
  return [
    ['--may-exist', 'add-port', bridge, port],
    ['set', 'Interface', port, `type=${type}`, `options:remote_ip=${peer}`, `options:key=${id}`],
    ['set', 'Port', port, 'protected=true'],
  ];
}
