/** What the compute service asks of its neighbours; `cli/` hands them in. Their calls may be repeated with the same ids. */

/** Volumes as the block gateway has them: disks of servers are volumes whose ids are those of their rows. */
export interface DiskEngine {
  create(wanted: {
    readonly id: string;
    readonly name: string;
    readonly project: string;
    readonly sizeBytes: number;
    readonly from?:
      | { readonly volume: string }
      | { readonly volume: string; readonly snapshot: string };
    readonly sealed?: boolean;
  }): Promise<{ readonly id: string; readonly sizeBytes: number }>;
  delete(
    id: string,
    options?: { readonly force?: boolean; readonly cascade?: boolean },
  ): Promise<void>;
  extend(id: string, sizeBytes: number): Promise<unknown>;
  snapshot(
    volume: string,
    wanted: { readonly id?: string; readonly name?: string },
  ): Promise<unknown>;
  deleteSnapshot(volume: string, snapshot: string): Promise<void>;
  revert(volume: string, to: { readonly snapshot: string }): Promise<unknown>;
  attach(request: {
    readonly id?: string;
    readonly volume: string;
    readonly mode?: 'rw' | 'ro';
    readonly note?: string;
  }): Promise<{ readonly exportName: string; readonly mode: 'rw' | 'ro' }>;
  detach(volume: string, attachment: string, options?: { readonly force?: boolean }): Promise<void>;
  /** What the next holder of an attachment opens it by, while the present one still has it. */
  offerAttachment(volume: string, attachment: string): Promise<{ readonly exportName: string }>;
  /** One holder stays; the other's connections are cut and its secrets are worth nothing. */
  settleAttachment(volume: string, attachment: string, keep: 'next' | 'present'): Promise<void>;
}

export interface BootImage {
  readonly id: string;
  readonly name: string;
  /** The sealed volume with its content. */
  readonly volumeId: string;
  readonly virtualBytes: number;
  readonly minDiskGib: number;
  readonly minRamMib: number;
  readonly sizeBytes: number;
  readonly containerFormat: string;
  readonly diskFormat: string;
  readonly properties: Readonly<Record<string, string>>;
}

export interface BootImages {
  /** `missing` when the token's owner may not see it, `conflict` when it is not active, `busy` while its volume is being made. */
  find(imageId: string, token: string): Promise<BootImage>;
  /** A queued image of the token's project. */
  create(
    image: {
      readonly name: string;
      readonly containerFormat: string;
      readonly diskFormat: string;
      readonly visibility: string;
      readonly protected: boolean;
      readonly properties: Readonly<Record<string, string>>;
    },
    token: string,
  ): Promise<string>;
  fill(
    imageId: string,
    source: { readonly volume: string; readonly snapshot: string },
  ): Promise<void>;
  abandon(imageId: string): Promise<void>;
}

/** Volumes of the volume service, as servers use them. */
export interface ServerVolumes {
  /** `missing` when the project has no such volume. */
  find(
    volumeId: string,
    projectId: string,
  ): Promise<{
    readonly id: string;
    readonly sizeGib: number;
    readonly bootable: boolean;
    readonly status: string;
    readonly multiattach: boolean;
    readonly imageProperties: Readonly<Record<string, string>>;
  }>;
  /** Takes it for a server: from now on nobody else can. `conflict` when somebody has. Repeatable by attachment id. */
  reserve(request: {
    readonly attachmentId: string;
    readonly volumeId: string;
    readonly projectId: string;
    readonly serverId: string;
  }): Promise<void>;
  connect(
    attachmentId: string,
    connector: { readonly host: string; readonly mountpoint: string },
  ): Promise<{ readonly exportName: string; readonly readOnly: boolean }>;
  /** The guest has it. */
  complete(attachmentId: string): Promise<void>;
  /** Gives it back; twice is once. */
  release(attachmentId: string, options?: { readonly force?: boolean }): Promise<void>;
  delete(volumeId: string): Promise<void>;
}

export interface ServiceQuestion {
  readonly token: string;
  readonly service: 'image' | 'volume' | 'network';
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Behind the service's endpoint. */
  readonly path: string;
  readonly body?: object | Buffer;
  /** What the bytes are, when they are not just bytes. */
  readonly type?: string;
  /** `volume 3.59`. */
  readonly version?: string;
}

export interface ServiceAnswer {
  readonly status: number;
  /** Empty when it was not JSON. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** The other services by their own APIs, as whoever has the token: their rules, quotas and words hold. */
export interface ServiceCalls {
  call(question: ServiceQuestion): Promise<ServiceAnswer>;
}

export interface FixedIp {
  readonly address: string;
  readonly subnetId: string;
  readonly cidr: string;
  readonly version: 4 | 6;
  readonly gateway?: string | undefined;
  readonly dnsServers: readonly string[];
  readonly hostRoutes: readonly { readonly destination: string; readonly nexthop: string }[];
  readonly dhcp: boolean;
  readonly ipv6AddressMode?: string | undefined;
  readonly floating?: readonly string[] | undefined;
}

export interface ServerPort {
  readonly id: string;
  readonly networkId: string;
  readonly networkName: string;
  readonly projectId: string;
  readonly name: string;
  readonly deviceId: string;
  readonly macAddress: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly status: string;
  readonly host: string | undefined;
  readonly adopted: boolean;
  readonly securityGroups: readonly { readonly id: string; readonly name: string }[];
  readonly fixedIps: readonly FixedIp[];
}

/** Ports of the network service. */
export interface ServerPorts {
  networksFor(
    projectId: string,
  ): Promise<readonly { readonly id: string; readonly name: string }[]>;
  create(port: {
    readonly id?: string;
    readonly projectId: string;
    readonly networkId: string;
    readonly deviceId: string;
    readonly deviceOwner?: string;
    readonly fixedIps?: readonly { readonly subnetId?: string; readonly ipAddress?: string }[];
    readonly securityGroups?: readonly string[];
    readonly dnsName?: string;
    readonly host?: string;
  }): Promise<ServerPort>;
  adopt(
    portId: string,
    device: {
      readonly projectId: string;
      readonly deviceId: string;
      readonly deviceOwner?: string;
      readonly host?: string;
      readonly dnsName?: string;
    },
  ): Promise<ServerPort>;
  bind(portId: string, host: string): Promise<ServerPort>;
  /** The host that a live migration is moving it to. */
  bindNext(portId: string, host: string | undefined): Promise<ServerPort>;
  unbind(portId: string): Promise<void>;
  release(portId: string, deviceId: string): Promise<void>;
  get(portId: string): Promise<ServerPort>;
  list(wanted: { readonly deviceIds: readonly string[] }): Promise<readonly ServerPort[]>;
  waitUp(portIds: readonly string[], signal: AbortSignal): Promise<void>;
}

/** The network of one host. */
export interface HostNetwork {
  /** `off` until something needs it: nothing is plugged in then. */
  status(): { readonly state: 'ready' | 'starting' | 'off' | 'missing' };
  ensure(signal?: AbortSignal): Promise<void>;
  plug(
    port: {
      readonly id: string;
      readonly macAddress: string;
      readonly mtu: number;
      readonly deviceId: string;
    },
    options: { readonly uid?: number; readonly gid?: number },
  ): Promise<{
    readonly tap: string;
    readonly vnetHeader: boolean;
    readonly mtu: number;
    /** What the hypervisor's command must begin with, to be where the tap is. */
    readonly enter: readonly string[];
  }>;
  unplug(portId: string): Promise<void>;
  plugged(): Promise<readonly { readonly portId: string; readonly deviceId: string }[]>;
}
