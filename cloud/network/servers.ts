/** Ports of servers, for the compute service: made or taken, bound to a host, watched until they are connected, given back. */
import { Failure } from '#common';
import type { NetworkCore, Tx } from './core.ts';
import { fail } from './failures.ts';
import type { FixedIp, Network, Port } from './model/documents.ts';
import { notFound } from './model/not-found.ts';
import { sharedWith } from './model/sharing.ts';
import { ensureTopology } from './resources/auto-topology.ts';
import { ensureDefaultGroup } from './resources/default-group.ts';
import { makePort } from './resources/ports/making.ts';
import { deletePort } from './resources/ports/ports.ts';
import { type ServerPort, serverPortsOf } from './server-ports.ts';

export interface NewServerPort {
  /** Chosen by the caller, so that a step that is tried again finds what it made. */
  readonly id?: string;
  readonly projectId: string;
  readonly networkId: string;
  readonly deviceId: string;
  readonly deviceOwner?: string;
  readonly name?: string;
  readonly fixedIps?: readonly { readonly subnetId?: string; readonly ipAddress?: string }[];
  readonly macAddress?: string;
  /** Names or ids; the default group when not given. */
  readonly securityGroups?: readonly string[];
  readonly dnsName?: string;
  readonly host?: string;
}

export interface AdoptedPort {
  readonly projectId: string;
  readonly deviceId: string;
  readonly deviceOwner?: string;
  readonly host?: string;
  readonly dnsName?: string;
}

export interface UpSource {
  isUp(portId: string): boolean;
  watch(listener: (event: { readonly portId: string; readonly up: boolean }) => void): () => void;
}

export interface ServerPorts {
  networksFor(
    projectId: string,
  ): Promise<readonly { readonly id: string; readonly name: string }[]>;
  create(port: NewServerPort): Promise<ServerPort>;
  adopt(portId: string, device: AdoptedPort): Promise<ServerPort>;
  bind(portId: string, host: string): Promise<ServerPort>;
  /** The host that a live migration is moving it to. */
  bindNext(portId: string, host: string | undefined): Promise<ServerPort>;
  unbind(portId: string): Promise<void>;
  release(portId: string, deviceId: string): Promise<void>;
  get(portId: string): Promise<ServerPort>;
  list(of: { readonly deviceIds: readonly string[] }): Promise<readonly ServerPort[]>;
  waitUp(portIds: readonly string[], signal: AbortSignal): Promise<void>;
  watch(listener: (event: { readonly portId: string; readonly up: boolean }) => void): () => void;
}

const defaultOwner = 'compute:nova';

export function serverPorts(core: NetworkCore, up: UpSource): ServerPorts {
  const one = async (port: Port): Promise<ServerPort> => {
    const [found] = await serverPortsOf(core, [port]);
    if (found === undefined) throw notFound('port', port.id);
    return found;
  };
  const change = async (portId: string, changes: Partial<Port>) =>
    await one(
      await core.change(
        async (tx) => await core.update(tx, 'port', await core.get(tx, 'port', portId), changes),
      ),
    );
  return {
    networksFor: (projectId) => networksFor(core, projectId),
    create: async (wanted) => await one(await core.change((tx) => createPort(core, tx, wanted))),
    adopt: async (portId, device) =>
      await one(await core.change((tx) => adoptPort(core, tx, portId, device))),
    bind: (portId, host) => change(portId, { 'binding:host_id': host, nextHost: undefined }),
    bindNext: (portId, host) => change(portId, { nextHost: host }),
    unbind: async (portId) => {
      await change(portId, { 'binding:host_id': '', nextHost: undefined });
    },
    release: (portId, deviceId) => core.change((tx) => releasePort(core, tx, portId, deviceId)),
    get: async (portId) => await one(await core.get(core.db, 'port', portId)),
    list: async ({ deviceIds }) =>
      await serverPortsOf(core, await core.list(core.db, 'port', { by: { device_id: deviceIds } })),
    waitUp: (portIds, signal) => waitUp(up, portIds, signal),
    watch: (listener) => up.watch(listener),
  };
}

/** As `--nic auto`: the one network that the project has, or else the one it may share, or else one that is made for it. */
async function networksFor(
  core: NetworkCore,
  projectId: string,
): Promise<readonly { id: string; name: string }[]> {
  const own = (await core.list(core.db, 'network', { projectId })).filter(
    (one) => !one['router:external'],
  );
  const shared = await sharedWith(core, core.db, 'network', projectId);
  const ids = [...shared].filter(([, how]) => how.has('access_as_shared')).map(([id]) => id);
  const others = (await core.list(core.db, 'network', { ids })).filter(
    (one) => one.project_id !== projectId,
  );
  const found = [...own, ...others];
  if (found.length > 1)
    throw fail(
      'conflict',
      'Multiple possible networks found, use a Network ID to be more specific.',
    );
  const usable =
    found[0] ?? (await core.get(core.db, 'network', await ensureTopology(core, projectId)));
  return [{ id: usable.id, name: usable.name }];
}

async function visible(
  core: NetworkCore,
  tx: Tx,
  networkId: string,
  projectId: string,
): Promise<Network> {
  const network = await core.find(tx, 'network', networkId);
  const shared = await sharedWith(core, tx, 'network', projectId);
  const allowed =
    network !== undefined &&
    (network.project_id === projectId || shared.get(networkId)?.has('access_as_shared') === true);
  if (!allowed) throw notFound('network', networkId);
  return network;
}

async function createPort(core: NetworkCore, tx: Tx, wanted: NewServerPort): Promise<Port> {
  const present = wanted.id === undefined ? undefined : await core.find(tx, 'port', wanted.id);
  if (present !== undefined) {
    if (present.device_id === wanted.deviceId) return present;
    throw fail('port-in-use', `Port ${present.id} is in use.`);
  }
  const network = await visible(core, tx, wanted.networkId, wanted.projectId);
  const groups = network.port_security_enabled ? await groupsOf(core, tx, wanted) : [];
  return await makePort(core, tx, network, {
    ...(wanted.id === undefined ? {} : { id: wanted.id }),
    project_id: wanted.projectId,
    mac_address: wanted.macAddress,
    fixed_ips: wanted.fixedIps?.map(fixedOf),
    device_id: wanted.deviceId,
    device_owner: wanted.deviceOwner ?? defaultOwner,
    rest: {
      name: wanted.name ?? '',
      port_security_enabled: network.port_security_enabled,
      security_groups: groups,
      'binding:host_id': wanted.host ?? '',
      dns_name: wanted.dnsName ?? '',
      madeForServer: true,
    },
  });
}

const fixedOf = ({
  subnetId,
  ipAddress,
}: {
  subnetId?: string;
  ipAddress?: string;
}): Partial<FixedIp> => ({
  ...(subnetId === undefined ? {} : { subnet_id: subnetId }),
  ...(ipAddress === undefined ? {} : { ip_address: ipAddress }),
});

async function groupsOf(
  core: NetworkCore,
  tx: Tx,
  { projectId, securityGroups }: NewServerPort,
): Promise<string[]> {
  const byDefault = await ensureDefaultGroup(core, tx, projectId);
  if (securityGroups === undefined) return byDefault === undefined ? [] : [byDefault];
  const shared = await sharedWith(core, tx, 'security_group', projectId);
  const usable = [
    ...(await core.list(tx, 'security_group', { projectId })),
    ...(await core.list(tx, 'security_group', { ids: [...shared.keys()] })),
  ];
  return [...new Set(securityGroups)].map((wanted) => {
    const byId = usable.find((group) => group.id === wanted);
    const byName = usable.filter((group) => group.name === wanted);
    if (byId === undefined && byName.length > 1)
      throw fail(
        'conflict',
        `Multiple security_group matches found for name '${wanted.slice(0, 64)}', use an ID to be more specific.`,
      );
    const group = byId ?? byName[0];
    if (group === undefined) throw notFound('security_group', wanted);
    return group.id;
  });
}

async function adoptPort(
  core: NetworkCore,
  tx: Tx,
  portId: string,
  device: AdoptedPort,
): Promise<Port> {
  const port = await core.find(tx, 'port', portId);
  if (port === undefined || port.project_id !== device.projectId) throw notFound('port', portId);
  if (port.device_id !== '' && port.device_id !== device.deviceId)
    throw fail('port-in-use', `Port ${port.id} is in use.`);
  return await core.update(tx, 'port', port, {
    device_id: device.deviceId,
    device_owner: device.deviceOwner ?? defaultOwner,
    ...(device.host === undefined ? {} : { 'binding:host_id': device.host }),
    ...(device.dnsName === undefined || port.dns_name !== '' ? {} : { dns_name: device.dnsName }),
  });
}

async function releasePort(
  core: NetworkCore,
  tx: Tx,
  portId: string,
  deviceId: string,
): Promise<void> {
  const port = await core.find(tx, 'port', portId);
  if (port === undefined || port.device_id !== deviceId) return;
  if (port.madeForServer === true) return await deletePort(core, tx, port);
  await core.update(tx, 'port', port, {
    device_id: '',
    device_owner: '',
    'binding:host_id': '',
    nextHost: undefined,
  });
}

function waitUp(up: UpSource, portIds: readonly string[], signal: AbortSignal): Promise<void> {
  const missing = new Set(portIds.filter((id) => !up.isUp(id)));
  if (missing.size === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const refuse = () => {
      stop();
      reject(
        new Failure('unreachable', 'ports-down', 'Ports were not connected in time', {
          facts: { ports: [...missing].join(' ') },
        }),
      );
    };
    const stop = up.watch(({ portId, up: isUp }) => {
      if (!isUp || !missing.delete(portId) || missing.size > 0) return;
      stop();
      signal.removeEventListener('abort', refuse);
      resolve();
    });
    if (signal.aborted) refuse();
    else signal.addEventListener('abort', refuse, { once: true });
  });
}
