/** Keeps copies whole, beside the devices: its cursors lie in the data folder. */
import * as fs from 'node:fs';
import { volumeReferrers } from '#block-gateway';
import { type Cluster, joinReferrers } from '#cluster';
import { replaceWhole, systemClock, systemDisk, type Undo } from '#common';
import { lentBlobs, objectReferrers } from '#proxy';
import { type CursorStore, createReplicator, type Replicator } from '#replicator';
import type { DataFolder } from '../data-folder.ts';
import type { Membership } from '../machines/membership.ts';
import type { RoleContext } from './context.ts';

export interface ReplicatorPlace {
  readonly folder: DataFolder;
  readonly membership: Membership;
  /** Its rows' tables are asked which blobs they refer to. */
  readonly cluster: Cluster;
}

export async function openReplicator(
  { folder, membership, cluster }: ReplicatorPlace,
  context: RoleContext,
  opened: Undo,
): Promise<Replicator> {
  const { settings, log, metrics } = context;
  await systemDisk.makeDirectory(folder.path('replicator'));
  const replicator = createReplicator({
    ...{ log, metrics },
    ring: membership.view,
    devices: membership.devices,
    clock: systemClock,
    settings: settings.replicator,
    cursors: cursorsIn(folder),
    hasFragments: true,
    referrers: joinReferrers(objectReferrers, volumeReferrers(cluster)),
    renew: (key, held) => cluster.renew(key, held),
    stillNeeded: lentBlobs(cluster.tables),
  });
  opened.add(() => replicator.close());
  return replicator;
}

/** A small file for each. One that cannot be read only means that its duty begins anew. */
function cursorsIn(folder: DataFolder): CursorStore {
  const pathOf = (name: string) => folder.path('replicator', name);
  return {
    load: async (name) =>
      fs.existsSync(pathOf(name)) ? fs.readFileSync(pathOf(name), 'utf8') : undefined,
    save: async (name, cursor) => {
      if (cursor === undefined) await systemDisk.remove(pathOf(name));
      else await replaceWhole(systemDisk, pathOf(name), Buffer.from(String(cursor)));
    },
  };
}
