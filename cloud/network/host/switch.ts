/** One host's Open vSwitch and its OVN controller, with daemons, database and devices of its own. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#common';
import { ensureAll } from './central.ts';
import { run, succeeds } from './commands.ts';
import { Daemon } from './daemon.ts';
import { type DeviceNames, deviceNames } from './names.ts';

export interface SwitchOptions {
  readonly folder: string;
  /** As servers are bound to it. */
  readonly hostname: string;
  /** Tells this host's devices from those of other clouds and hosts. */
  readonly tag: string;
  /** Where OVN's central databases are. */
  readonly central: string;
  readonly clock: Clock;
  readonly namespace?: string | undefined;
  /**
   * The namespace is this host's own: made and removed with it, its leg in the external network a wire to the machine. The
   * userspace datapath has a device of a fixed name, so there can be one in a namespace only.
   */
  readonly ownNamespace?: boolean;
  /** The address and device by which other hosts are reached; without one there are no others. */
  readonly uplink?: Uplink;
  /** The machine's own leg in the external network `public`: `172.24.4.1/24`. */
  readonly external?: string | undefined;
}

export interface Uplink {
  readonly device: string;
  readonly address: string;
  readonly prefixLength: number;
  /** A bridge of the machine that leads to other hosts: made when it is not there, and the device a wire into it. */
  readonly bridge?: string;
}

export class HostSwitch {
  readonly options: SwitchOptions;
  uplink: Uplink | undefined;
  readonly names: DeviceNames;
  readonly daemons: readonly Daemon[];
  /** Physical network → bridge. */
  private readonly mappings = new Map<string, string>();

  constructor(options: SwitchOptions) {
    this.options = options;
    this.uplink = options.uplink;
    this.names = deviceNames(options.tag);
    const { folder, clock, namespace } = options;
    const control = (name: string) => `--unixctl=${join(folder, `${name}.ctl`)}`;
    const database = `unix:${this.socket}`;
    this.daemons = [
      new Daemon(
        {
          name: 'switchdb',
          program: 'ovsdb-server',
          folder,
          namespace,
          args: [`--remote=punix:${this.socket}`, control('switchdb'), join(folder, 'conf.db')],
        },
        clock,
      ),
      new Daemon(
        {
          name: 'vswitchd',
          program: 'ovs-vswitchd',
          folder,
          namespace,
          args: [database, control('vswitchd')],
        },
        clock,
      ),
      // It takes no name for its control socket: OVN_RUNDIR decides.
      new Daemon(
        { name: 'controller', program: 'ovn-controller', folder, namespace, args: [database] },
        clock,
      ),
    ];
  }

  get socket(): string {
    return join(this.options.folder, 'db.sock');
  }

  /** Several `ovs-vsctl` commands as one transaction. */
  async configure(...commands: readonly (readonly string[])[]): Promise<string> {
    const args = commands.flatMap((command, at) => (at === 0 ? [...command] : ['--', ...command]));
    return await run('ovs-vsctl', [`--db=unix:${this.socket}`, '--timeout=15', ...args]);
  }

  /** A tool of the machine's, in this host's namespace. */
  tool(program: string, ...args: readonly string[]): Promise<string> {
    return run(program, args, { namespace: this.options.namespace });
  }

  async ensure(): Promise<string[]> {
    const { folder } = this.options;
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    await this.makeNamespace();
    const database = join(folder, 'conf.db');
    if (!fs.existsSync(database))
      await run('ovsdb-tool', ['create', database, '/usr/share/openvswitch/vswitch.ovsschema']);
    const [switchDatabase, vswitchd, controller] = this.daemons;
    const started = await ensureAll([switchDatabase, vswitchd].filter((one) => one !== undefined));
    if (started.length > 0 || controller?.pid === undefined) await this.setUp();
    started.push(...(await ensureAll(controller === undefined ? [] : [controller])));
    return started;
  }

  /** Bridges and what the controller must know; may be repeated. */
  private async setUp(): Promise<void> {
    const { options, names } = this;
    const kind = datapath();
    const address = this.uplink?.address ?? '127.0.0.1';
    // Only a host with a leg in it reaches it, and is a gateway to it.
    if (options.external !== undefined) this.mappings.set('public', names.external);
    // Apart, since only a second command waits for the switch.
    await this.configure(['--no-wait', 'init']);
    await this.configure(
      [
        'set',
        'Open_vSwitch',
        '.',
        `external_ids:system-id=${options.tag}`,
        `external_ids:hostname=${options.hostname}`,
      ],
      [
        'set',
        'Open_vSwitch',
        '.',
        `external_ids:ovn-remote=unix:${options.central}`,
        'external_ids:ovn-encap-type=geneve',
      ],
      [
        'set',
        'Open_vSwitch',
        '.',
        `external_ids:ovn-encap-ip=${address}`,
        `external_ids:ovn-bridge=${names.integration}`,
      ],
      [
        'set',
        'Open_vSwitch',
        '.',
        `external_ids:ovn-bridge-datapath-type=${kind}`,
        'external_ids:ovn-monitor-all=true',
      ],
      [
        'set',
        'Open_vSwitch',
        '.',
        'other_config:n-handler-threads=1',
        'other_config:n-revalidator-threads=1',
      ],
      ['set', 'Open_vSwitch', '.', `external_ids:ovn-bridge-mappings="${this.mappingText()}"`],
      [
        '--may-exist',
        'add-br',
        names.integration,
        '--',
        'set',
        'Bridge',
        names.integration,
        `datapath_type=${kind}`,
        'fail-mode=secure',
      ],
      [
        '--may-exist',
        'add-br',
        names.external,
        '--',
        'set',
        'Bridge',
        names.external,
        `datapath_type=${kind}`,
      ],
    );
    await this.addUplink(kind);
    await this.addLeg();
  }

  /** Physical networks beside the external one, and their bridges. */
  async map(overlays: ReadonlyMap<string, string>): Promise<void> {
    const before = this.mappingText();
    for (const name of this.mappings.keys()) if (name !== 'public') this.mappings.delete(name);
    for (const [name, bridge] of overlays) this.mappings.set(name, bridge);
    if (this.mappingText() === before) return;
    await this.configure([
      ...['set', 'Open_vSwitch', '.'],
      `external_ids:ovn-bridge-mappings="${this.mappingText()}"`,
    ]);
  }

  private mappingText(): string {
    return [...this.mappings].map(([physical, bridge]) => `${physical}:${bridge}`).join(',');
  }

  /** In the userspace datapath the tunnel's address must stand on a bridge that holds the device. */
  private async addUplink(kind: string): Promise<void> {
    const { uplink } = this;
    if (uplink === undefined) return;
    if (uplink.bridge !== undefined) await this.wireTo(uplink.bridge, uplink.device);
    if (kind !== 'netdev') {
      if (uplink.bridge !== undefined) await this.addressOn(uplink, uplink.device);
      return;
    }
    const bridge = this.names.uplink;
    await this.configure(
      ['--may-exist', 'add-br', bridge, '--', 'set', 'Bridge', bridge, 'datapath_type=netdev'],
      ['--may-exist', 'add-port', bridge, uplink.device],
    );
    await this.addressOn(uplink, bridge);
    await this.tool('ip', 'link', 'set', uplink.device, 'up');
  }

  private async addressOn({ address, prefixLength }: Uplink, device: string): Promise<void> {
    await this.tool('ip', 'address', 'replace', `${address}/${prefixLength}`, 'dev', device);
    await this.tool('ip', 'link', 'set', device, 'up');
  }

  private get wire(): string {
    return `pl-${this.options.tag.slice(0, 9)}`;
  }

  /** From this host's namespace into a bridge of the machine, to which other hosts on it are wired too, and a network card may be. */
  private async wireTo(bridge: string, device: string): Promise<void> {
    if (!(await succeeds('ip', ['link', 'show', 'dev', bridge])))
      await run('ip', ['link', 'add', bridge, 'type', 'bridge']);
    await run('ip', ['link', 'set', bridge, 'up']);
    const { namespace = '' } = this.options;
    const outer = this.wire;
    if (!(await succeeds('ip', ['link', 'show', 'dev', outer]))) {
      const inner = ['peer', 'name', device, 'netns', namespace];
      await run('ip', ['link', 'add', outer, 'type', 'veth', ...inner]);
    }
    await succeeds('ethtool', ['-K', outer, 'tx', 'off']);
    await succeeds('ethtool', ['-K', device, 'tx', 'off'], { namespace });
    await run('ip', ['link', 'set', outer, 'master', bridge, 'up']);
  }

  /** Other hosts come: it gets an address for them. */
  async join(uplink: Uplink): Promise<void> {
    if (this.uplink !== undefined) return;
    this.uplink = uplink;
    if (this.daemons[0]?.pid !== undefined) await this.setUp();
  }

  private async makeNamespace(): Promise<void> {
    const { namespace, ownNamespace } = this.options;
    if (ownNamespace !== true || namespace === undefined) return;
    if (fs.existsSync(`/run/netns/${namespace}`)) return;
    await run('ip', ['netns', 'add', namespace]);
    await this.tool('ip', 'link', 'set', 'lo', 'up');
  }

  /** From the external bridge out of this host's namespace to the machine. */
  private async addWire(address: string): Promise<void> {
    const { external: outer } = this.names;
    const { namespace = '' } = this.options;
    const inner = outer.replace('px-', 'pw-');
    if (!(await succeeds('ip', ['link', 'show', 'dev', outer])))
      await run('ip', [
        'link',
        'add',
        outer,
        'type',
        'veth',
        'peer',
        'name',
        inner,
        'netns',
        namespace,
      ]);
    await succeeds('ethtool', ['-K', outer, 'tx', 'off']);
    await run('ip', ['address', 'replace', address, 'dev', outer]);
    await run('ip', ['link', 'set', outer, 'up']);
    await this.tool('ip', 'link', 'set', inner, 'up');
    await this.configure(['--may-exist', 'add-port', outer, inner]);
  }

  /** The bridge's own device, or a wire from it, is the machine's leg in the external network; nothing leads on from there. */
  private async addLeg(): Promise<void> {
    const bridge = this.names.external;
    const { external, ownNamespace } = this.options;
    if (ownNamespace === true && external !== undefined) return await this.addWire(external);
    await this.tool('ip', 'link', 'set', bridge, 'up');
    if (this.options.external === undefined) return;
    await this.tool('ip', 'address', 'replace', this.options.external, 'dev', bridge);
    if (datapath() === 'netdev')
      await succeeds('ethtool', ['-K', bridge, 'tx', 'off'], { namespace: this.options.namespace });
  }

  /** Whether a hypervisor holds a tap; false as well when nothing runs that would know. */
  async hasGuests(): Promise<boolean> {
    if (this.daemons[0]?.pid === undefined) return false;
    const interfaces = await this.configure([
      ...['--format=csv', '--no-headings', '--columns=name,link_state'],
      ...['list', 'Interface'],
    ]);
    return interfaces.split('\n').some((line) => /^"?tap[^,]*,"?up/.test(line));
  }

  async stop(): Promise<void> {
    const [switchDatabase, vswitchd, controller] = this.daemons;
    await controller?.stop();
    const control = join(this.options.folder, 'vswitchd.ctl');
    // Leaves no device behind.
    await vswitchd?.stop(() => succeeds('ovs-appctl', ['-t', control, 'exit', '--cleanup']));
    await switchDatabase?.stop();
    const { namespace, ownNamespace } = this.options;
    if (ownNamespace !== true || namespace === undefined) return;
    await succeeds('ip', ['link', 'delete', this.names.external]);
    // Wires go with their namespace, but some time later: the bridge is to be seen empty.
    await succeeds('ip', ['link', 'delete', this.wire]);
    await succeeds('ip', ['netns', 'delete', namespace]);
    const bridge = this.uplink?.bridge;
    if (bridge !== undefined && wiresOf(bridge).length === 0)
      await succeeds('ip', ['link', 'delete', bridge]);
  }
}

/** What is in a bridge of the machine. */
function wiresOf(bridge: string): string[] {
  const folder = `/sys/class/net/${bridge}/brif`;
  return fs.existsSync(folder) ? fs.readdirSync(folder) : [];
}

/** The kernel's datapath where its module is and nobody uses it; the one in userspace otherwise. */
export function datapath(): 'system' | 'netdev' {
  const present = fs.existsSync('/sys/module/openvswitch');
  const taken = fs.existsSync('/sys/class/net/ovs-system');
  return present && !taken ? 'system' : 'netdev';
}
