/** How the controller reaches storage nodes on other machines: by the node protocol, with a certificate of its own. */
import * as fs from 'node:fs';
import { systemClock } from '#common';
import { connectNode, issueCertificate, type NodeClient, type TlsIdentity } from '#wire';
import { type DataFolder, writePrivate } from '../data-folder.ts';
import type { RoleContext } from '../roles/context.ts';
import { authorityOf } from '../roles/nbd-certificates.ts';
import type { ClusterNode } from './cluster-map.ts';

/** The certificate is made when there is a node to show it to. */
export async function waysOf(
  folder: DataFolder,
  context: RoleContext,
): Promise<(node: ClusterNode, ringEpoch: number) => NodeClient> {
  const { settings, random, log, clusterId } = context;
  const tls = await controllerIdentity(folder, context);
  return ({ host, port }, ringEpoch) =>
    connectNode({
      ...{ address: { host, port }, tls, ringEpoch, cluster: clusterId, client: context.name },
      ...{ settings: settings.wire, clock: systemClock, random, log },
    });
}

async function controllerIdentity(
  folder: DataFolder,
  { random, clusterId }: RoleContext,
): Promise<TlsIdentity> {
  fs.mkdirSync(folder.path('secrets'), { recursive: true, mode: 0o700 });
  const authority = await authorityOf(folder, random, clusterId);
  const path = (ending: string) => folder.path('secrets', `controller.${ending}`);
  if (!fs.existsSync(path('pem'))) {
    const made = await issueCertificate({
      ...{ authority, random, clock: systemClock, name: 'controller' },
    });
    writePrivate(path('key'), made.key);
    writePrivate(path('pem'), made.certificate);
  }
  const read = (ending: string) => fs.readFileSync(path(ending), 'utf8');
  return { authority: authority.certificate, certificate: read('pem'), key: read('key') };
}
