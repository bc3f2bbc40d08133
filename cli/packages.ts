/** Debian packages that a command needs: installed when this is root on Debian, otherwise the exact command to run is said. */
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { Failure } from '#common';

/** What the parts of the product call at run time. */
export const packagesFor = {
  images: ['qemu-utils'],
  servers: ['qemu-system-x86', 'qemu-utils'],
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
  const command = installCommand(missing);
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

const execFileAsync = promisify(execFile);
const installMsMax = 600_000;

/** What to run to have them. */
export const installCommand = (names: readonly string[]): string =>
  `apt-get install -y --no-install-recommends ${names.join(' ')}`;

/** The same beside a running cloud, as root. The packages' own services stay off: nothing of the host's is touched. */
export async function installPackages(
  names: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const options = { env, timeout: installMsMax, ...(signal === undefined ? {} : { signal }) };
  const lock = ['-o', 'DPkg::Lock::Timeout=300'];
  const install = ['-qq', 'install', '-y', '--no-install-recommends', ...lock, ...names];
  try {
    await execFileAsync('apt-get', install, options);
  } catch {
    // A machine that never asked for the lists of packages has none.
    try {
      await execFileAsync('apt-get', ['-qq', 'update'], options);
      await execFileAsync('apt-get', install, options);
    } catch (error) {
      const lines = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
      throw new Failure(
        'unreachable',
        'packages-failed',
        `Could not install Debian packages (${lines.split('\n').at(-1)}); run: ${installCommand(names)}`,
        { cause: error },
      );
    }
  }
}
