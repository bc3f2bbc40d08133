/** What a machine needs to carry networks: root, and Debian's packages of Open vSwitch and OVN. */
import { spawnSync } from 'node:child_process';
import { Failure } from '#common';
import { installCommand, installPackages, packagesFor } from '../packages.ts';

/** Of the folder of all sockets, whose own names have up to 20 more characters; a socket's path may have 107. */
const folderLengthMax = 85;

const advice = installCommand(packagesFor.networks);

/** In the background of a running cloud: installs what is missing, or says what to do. */
export async function prepareNetworkHost(folder: string): Promise<void> {
  if (folder.length > folderLengthMax)
    throw new Failure(
      'invalid',
      'network-folder-long',
      `The path of the data folder is too long for the sockets of Open vSwitch and OVN (${folder})`,
      { facts: { advice: 'use a data folder with a shorter path' } },
    );
  if (process.getuid?.() !== 0)
    throw new Failure(
      'denied',
      'network-needs-root',
      'Networks are connected by Open vSwitch and OVN, which only root may start',
      {
        facts: { advice: `as root: ${advice} && ./pileus up` },
      },
    );
  if (installed()) return;
  await installPackages(packagesFor.networks).catch((error: unknown) => {
    throw new Failure(
      'missing',
      'network-packages',
      'Open vSwitch and OVN are not installed and could not be',
      {
        facts: { advice: `run: ${advice}` },
        cause: error,
      },
    );
  });
}

const installed = () =>
  ['/usr/sbin/ovs-vswitchd', '/usr/bin/ovn-northd', '/usr/bin/ovn-controller'].every(
    (program) => spawnSync('test', ['-x', program]).status === 0,
  );
