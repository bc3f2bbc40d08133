/** A storage node: its devices, and the map that it was told of last, which outlives it. */
import type { RingEpochs } from '#wire';
import type { DataFolder } from '../data-folder.ts';
import type { RoleContext } from '../roles/context.ts';
import { type OwnDevice, openDevices } from '../roles/devices.ts';
import type { NodeConfig } from '../roles/node-config.ts';
import { type ClusterMap, loadMap, saveMap } from './cluster-map.ts';

export interface OpenNode {
  readonly devices: ReadonlyMap<number, OwnDevice>;
  readonly epochs: RingEpochs;
  /** Whoever goes by an older map is refused from here on; devices that are new are opened. */
  takeUp(map: ClusterMap): Promise<void>;
}

export async function openNode(
  folder: DataFolder,
  config: NodeConfig,
  context: RoleContext,
): Promise<OpenNode> {
  const known = loadMap(folder);
  const own = (map: ClusterMap | undefined) =>
    map?.nodes.find(({ name }) => name === config.name)?.devices ?? [];
  const ids = new Set([...config.devices, ...own(known)]);
  const devices = await openDevices(folder, [...ids], context);
  const epochs = { current: known?.epoch ?? 0, least: known?.epoch ?? 0 };
  return {
    devices,
    epochs,
    takeUp: async (map) => {
      if (map.epoch < epochs.current) return;
      const added = own(map).filter((id) => !devices.has(id));
      for (const [id, device] of await openDevices(folder, added, context)) devices.set(id, device);
      saveMap(folder, map);
      epochs.current = map.epoch;
      epochs.least = map.epoch;
    },
  };
}
