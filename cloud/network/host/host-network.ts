/** A host's networking as the compute service uses it: taps for guests, plugged and found again. */
import { run, succeeds } from './commands.ts';
import { tapOf } from './names.ts';
import { datapath, type HostSwitch } from './switch.ts';

export interface PlugPort {
  readonly id: string;
  readonly macAddress: string;
  readonly mtu: number;
  readonly deviceId: string;
}

export interface Plugged {
  readonly tap: string;
  /** Whether the hypervisor may give the tap a header of virtio's (offloads); never in the userspace datapath. */
  readonly vnetHeader: boolean;
  readonly mtu: number;
  /** What the hypervisor's command must begin with, to be where the tap is; nothing when it is there already. */
  readonly enter: readonly string[];
}

export interface PluggedPort {
  readonly portId: string;
  readonly tap: string;
  readonly deviceId: string;
}

export type HostNetworkStatus =
  | { readonly state: 'ready' | 'starting' | 'off' }
  | { readonly state: 'missing'; readonly reason: string; readonly advice: string };

export interface HostNetwork {
  readonly name: string;
  status(): HostNetworkStatus;
  /** Starts what is needed; fails with what to do when it cannot. */
  ensure(): Promise<void>;
  plug(port: PlugPort, owner?: { readonly uid?: number; readonly gid?: number }): Promise<Plugged>;
  unplug(portId: string): Promise<void>;
  plugged(): Promise<readonly PluggedPort[]>;
}

export async function plugPort(
  host: HostSwitch,
  port: PlugPort,
  owner: { readonly uid?: number; readonly gid?: number } = {},
): Promise<Plugged> {
  const tap = tapOf(port.id);
  const { namespace } = host.options;
  if (!(await succeeds('ip', ['link', 'show', 'dev', tap], { namespace }))) {
    const whose = [
      ...(owner.uid === undefined ? [] : ['user', String(owner.uid)]),
      ...(owner.gid === undefined ? [] : ['group', String(owner.gid)]),
    ];
    await host.tool('ip', 'tuntap', 'add', 'dev', tap, 'mode', 'tap', ...whose);
  }
  await host.tool('ip', 'link', 'set', tap, 'mtu', String(port.mtu), 'up');
  await attach(host, tap, port);
  return {
    tap,
    vnetHeader: datapath() === 'system',
    mtu: port.mtu,
    enter: namespace === undefined ? [] : ['nsenter', `--net=/run/netns/${namespace}`, '--'],
  };
}

/** Makes a device one of OVN's ports. */
export async function attach(host: HostSwitch, device: string, port: PlugPort): Promise<void> {
  await host.configure(
    ['--may-exist', 'add-port', host.names.integration, device],
    [
      ...[
        'set',
        'Interface',
        device,
        `external_ids:iface-id=${port.id}`,
        `external_ids:attached-mac="${port.macAddress}"`,
      ],
      ...[`external_ids:vm-id=${port.deviceId}`, 'external_ids:iface-status=active'],
    ],
  );
}

export async function unplugPort(host: HostSwitch, portId: string): Promise<void> {
  const tap = tapOf(portId);
  const { namespace } = host.options;
  await host.configure(['--if-exists', 'del-port', host.names.integration, tap]);
  if (await succeeds('ip', ['link', 'show', 'dev', tap], { namespace }))
    await run('ip', ['link', 'delete', tap], { namespace });
}

export async function pluggedPorts(host: HostSwitch): Promise<PluggedPort[]> {
  const text = await host.configure([
    '--format=json',
    '--columns=name,external_ids',
    'list',
    'Interface',
  ]);
  const { data } = JSON.parse(text) as { data: [string, ['map', [string, string][]]][] };
  return data.flatMap(([tap, [, pairs]]) => {
    const ids = Object.fromEntries(pairs);
    const portId = ids['iface-id'];
    return portId === undefined || !tap.startsWith('tap')
      ? []
      : [{ portId, tap, deviceId: ids['vm-id'] ?? '' }];
  });
}

/** Taps of guests that the switch does not know and no hypervisor holds: half plugged in or half unplugged when somebody was killed. */
export async function removeStrayTaps(host: HostSwitch): Promise<void> {
  const { namespace } = host.options;
  // Outside a namespace of its own, others' taps are there too.
  if (namespace === undefined) return;
  const known = new Set((await pluggedPorts(host)).map(({ tap }) => tap));
  const links = await run('ip', ['-br', 'link', 'show', 'type', 'tun'], { namespace });
  for (const [, tap = '', state] of links.matchAll(/^(tap[0-9a-f-]{11})\s+(\S+)/gm))
    if (!known.has(tap) && state !== 'UP') await run('ip', ['link', 'delete', tap], { namespace });
}
