/** A host as OVN's backend uses it, be it this machine or another process: its switch, its guests' ports, its metadata addresses. */
import type { Clock, Logger } from '#common';
import {
  type HostNetwork,
  pluggedPorts,
  plugPort,
  removeStrayTaps,
  unplugPort,
} from './host-network.ts';
import {
  type MetadataHandler,
  type MetadataParts,
  type MetadataPlace,
  MetadataPlaces,
} from './metadata.ts';
import { ensureOverlays, type Overlay } from './overlays.ts';
import { HostSwitch, type SwitchOptions, type Uplink } from './switch.ts';

/** What a host must have, as the model says. */
export interface Arrangement {
  readonly overlays: readonly Overlay[];
  /** Addresses of the other hosts. */
  readonly peers: readonly string[];
  readonly places: readonly MetadataPlace[];
}

export interface HostEnd extends Pick<HostNetwork, 'plug' | 'unplug' | 'plugged'> {
  readonly hostname: string;
  /** Where other hosts reach it; undefined when there are none. */
  readonly address: string | undefined;
  /** Starts what does not run; returns the names of what it started. */
  ensure(): Promise<readonly string[]>;
  /** Makes it so; may be repeated. */
  arrange(wanted: Arrangement): Promise<void>;
  /** Whether all of its daemons run. */
  isAlive(): boolean;
}

export interface LocalHostParts extends SwitchOptions, Pick<MetadataParts, 'whoIs'> {
  readonly clock: Clock;
  readonly log: Logger;
  handler(): MetadataHandler | undefined;
}

export class LocalHost implements HostEnd {
  private readonly host: HostSwitch;
  private readonly metadata: MetadataPlaces;
  private overlaid = '[[],[]]';
  private arranging: Promise<void> | undefined;
  private swept = false;

  constructor(parts: LocalHostParts) {
    const { handler, whoIs, log, clock } = parts;
    this.host = new HostSwitch(parts);
    this.metadata = new MetadataPlaces({ host: this.host, log, clock, handler, whoIs });
  }

  get hostname(): string {
    return this.host.options.hostname;
  }

  get address(): string | undefined {
    return this.host.uplink?.address;
  }

  async ensure(): Promise<string[]> {
    const started = await this.host.ensure();
    // Before the first port is plugged in by this process: what an earlier one was about to plug in when it was killed.
    if (!this.swept) await removeStrayTaps(this.host);
    this.swept = true;
    return started;
  }

  /** Whether its devices are apart from the machine's. */
  get hasNamespace(): boolean {
    return this.host.options.ownNamespace === true;
  }

  /** Other hosts come: from now on it has an address for them. */
  join(uplink: Uplink): Promise<void> {
    return this.host.join(uplink);
  }

  /** One after the other; what is wanted while one runs is asked for again at the next look. */
  async arrange({ overlays, peers, places }: Arrangement): Promise<void> {
    if (this.arranging !== undefined) return await this.arranging;
    this.arranging = this.make(overlays, peers, places).finally(() => {
      this.arranging = undefined;
    });
    await this.arranging;
  }

  private async make(
    overlays: readonly Overlay[],
    peers: readonly string[],
    places: readonly MetadataPlace[],
  ): Promise<void> {
    const reachable = this.host.uplink === undefined ? [] : peers;
    const stamp = JSON.stringify([overlays, reachable]);
    if (overlays.length > 0 || this.overlaid !== '[[],[]]')
      if (this.overlaid !== stamp) {
        await ensureOverlays(this.host, overlays, reachable);
        this.overlaid = stamp;
      }
    await this.metadata.ensure(places);
  }

  isAlive(): boolean {
    return this.host.daemons.every((daemon) => daemon.pid !== undefined);
  }

  /** Whether any daemon of it does. */
  anyRuns(): boolean {
    return this.host.daemons.some((daemon) => daemon.pid !== undefined);
  }

  hasGuests(): Promise<boolean> {
    return this.host.hasGuests();
  }

  plug(...args: Parameters<HostNetwork['plug']>) {
    return plugPort(this.host, ...args);
  }

  unplug(portId: string): Promise<void> {
    return unplugPort(this.host, portId);
  }

  plugged() {
    return pluggedPorts(this.host);
  }

  /** Takes everything away. */
  async stop(): Promise<void> {
    await this.metadata.close();
    await this.host.stop();
  }
}
