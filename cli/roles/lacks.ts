/** What this machine lacks to run servers, before anybody has to find out by a server that fails. */
import * as fs from 'node:fs';
import { delimiter, join } from 'node:path';
import type { LocalImages } from '#cloud/image';
import type { Lack } from '../cloud-types.ts';
import { installCommand, packagesFor } from '../packages.ts';
import type { Settings } from '../settings.ts';
import { canBuildGuest, guestAdvice, guestId, guestName, isGuestBuilt } from './guest-image.ts';

const isRoot = () => process.getuid?.() === 0;

const isOnPath = (program: string): boolean =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => fs.existsSync(join(folder, program)));

export interface LackParts {
  readonly settings: Pick<Settings, 'compute' | 'network' | 'image'>;
  readonly images: Pick<LocalImages, 'find'>;
}

export async function lacksOf({ settings, images }: LackParts): Promise<Lack[]> {
  const lacks: Lack[] = [];
  if (lacksHypervisor(settings))
    lacks.push({
      what: 'servers',
      reason: 'QEMU is not installed',
      advice: isRoot()
        ? 'it is being installed: pileus operation list'
        : `as root: ${installCommand(packagesFor.servers)}`,
      coming: isRoot(),
    });
  if (settings.network.backend === 'auto' && !isRoot())
    lacks.push({
      what: 'networks',
      reason: 'Open vSwitch and OVN, which connect them, may only be started by root',
      advice: `as root: ${installCommand(packagesFor.networks)} && ./pileus up`,
      coming: false,
    });
  if (settings.image.guest && !isGuestBuilt() && (await images.find(guestId))?.status !== 'active')
    lacks.push({
      what: `image ${guestName}`,
      reason: canBuildGuest() ? 'it is not built yet' : 'it is built by root on x86-64',
      advice: canBuildGuest() ? 'it is being built: pileus operation list' : guestAdvice,
      coming: canBuildGuest(),
    });
  return lacks;
}

export const lacksHypervisor = ({ compute }: LackParts['settings']): boolean =>
  compute.hypervisor === 'qemu' && !isOnPath('qemu-system-x86_64');
