/** Debian packages that a command needs: installed when this is root on Debian, otherwise the exact command to run is said. */
import { spawnSync } from 'node:child_process';
import { Failure } from '#common';

/** What the parts of the product call at run time. */
export const packagesFor = {
  images: ['qemu-utils'],
  guest: ['qemu-system-x86', 'qemu-utils', 'e2fsprogs', 'util-linux'],
  demo: ['python3-openstackclient', 'openssh-client'],
  networks: ['openvswitch-switch', 'ovn-central', 'ovn-host', 'iproute2', 'ethtool'],
} as const;

function installed(name: string): boolean {
  const answer = spawnSync('dpkg-query', ['--status', name], { encoding: 'utf8' });
  return answer.stdout?.includes('\nStatus: install ok installed\n') === true;
}

/** Makes sure the packages are there; fails with the command to run when it may not install them itself. */
export function ensurePackages(names: readonly string[], why: string): void {
  if (spawnSync('dpkg-query', ['--version']).error !== undefined) return;
  const missing = names.filter((name) => !installed(name));
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0) {
    throw new Failure(
      'missing',
      'packages-missing',
      `${why} needs Debian packages; as root run: ${command}`,
    );
  }
  process.stderr.write(`pileus: installing Debian packages for ${why}: ${missing.join(' ')}\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const run = (args: readonly string[]) =>
    spawnSync('apt-get', ['-qq', ...args], { env, stdio: ['ignore', 2, 2] }).status === 0;
  const wanted = [
    'install',
    '-y',
    '--no-install-recommends',
    '-o',
    'DPkg::Lock::Timeout=600',
    ...missing,
  ];
  if (run(wanted)) return;
  if (!run(['update']) || !run(wanted)) {
    throw new Failure(
      'unreachable',
      'packages-failed',
      `Could not install Debian packages; try: ${command}`,
    );
  }
}
