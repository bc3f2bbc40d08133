/** The network of a host in another process, by calls. */
import type { Asking } from '#wire';
import type { Arrangement, HostEnd } from './host-end.ts';
import type { HostNetwork, Plugged, PluggedPort } from './host-network.ts';
import { PluggedPorts, PluggedShape, readCall, Started } from './host-shapes.ts';

export interface RemoteHostParts {
  readonly hostname: string;
  readonly address: string | undefined;
  readonly asking: Asking;
}

export class RemoteHost implements HostEnd {
  readonly hostname: string;
  readonly address: string | undefined;
  private readonly asking: Asking;
  /** A host that is not here any more does not hear of what it must have; it is told all of it when it is back. */
  private arranged = '';

  constructor({ hostname, address, asking }: RemoteHostParts) {
    this.hostname = hostname;
    this.address = address;
    this.asking = asking;
  }

  async ensure(): Promise<readonly string[]> {
    return readCall(Started, await this.asking.call('network-ensure', {}));
  }

  async arrange({ overlays, peers, places }: Arrangement): Promise<void> {
    const wanted = {
      overlays,
      peers,
      places: places.map(({ network, port, subnets }) => ({
        network: { id: network.id, mtu: network.mtu },
        port: {
          id: port.id,
          mac_address: port.mac_address,
          device_id: port.device_id,
          fixed_ips: port.fixed_ips,
        },
        subnets: subnets.map(({ id, cidr }) => ({ id, cidr })),
      })),
    };
    const stamp = JSON.stringify(wanted);
    if (stamp === this.arranged) return;
    await this.asking.call('network-arrange', wanted);
    this.arranged = stamp;
  }

  async plug(...[port, owner]: Parameters<HostNetwork['plug']>): Promise<Plugged> {
    const { id, macAddress, mtu, deviceId } = port;
    const wanted = { id, macAddress, mtu, deviceId, ...(owner === undefined ? {} : { owner }) };
    return readCall(PluggedShape, await this.asking.call('network-plug', wanted));
  }

  async unplug(portId: string): Promise<void> {
    await this.asking.call('network-unplug', { portId });
  }

  async plugged(): Promise<readonly PluggedPort[]> {
    return readCall(PluggedPorts, await this.asking.call('network-plugged', {}));
  }

  /** While it is connected, it looks after its daemons itself. */
  isAlive(): boolean {
    return true;
  }
}
