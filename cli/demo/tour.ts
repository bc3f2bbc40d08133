/** The tour that `pileus demo` gives: image → volume → guest → kill → everything is still there. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { Failure } from '#common';
import type { CloudInfo } from '../cloud-types.ts';
import type { VolumeLine } from '../commands/volume.ts';
import { ensurePackages, packagesFor } from '../packages.ts';
import { Guest } from './guest.ts';

const root = join(import.meta.dirname, '../..');
const guestReadyMs = 180_000;
const proof = 'written before the power went';

export interface TourOptions {
  readonly data: string;
  readonly portBase: number;
  /** Show the guest's console as it boots. */
  readonly console: boolean;
  readonly say: (line: string) => void;
}

/** The guest image, built when it is not there yet. */
export function ensureGuestImage(say: (line: string) => void): string {
  const path = join(root, '.cache', 'pileus-guest.qcow2');
  if (fs.existsSync(path)) return path;
  ensurePackages(packagesFor.guest, 'the guest image');
  say('building the guest image from Debian packages (once, about a minute)');
  const built = spawnSync(join(root, 'tools/guest-image/build.sh'), [path], {
    stdio: ['ignore', 2, 2],
  });
  if (built.status !== 0)
    throw new Failure('unreachable', 'guest-image-failed', 'The guest image could not be built');
  return path;
}

/** Runs the tour from nothing; everything it made is in `options.data`. */
export async function giveTour(options: TourOptions): Promise<void> {
  const tour = new Tour(options);
  ensurePackages(packagesFor.guest, 'the demonstration');
  const image = ensureGuestImage(options.say);
  const info = tour.up(['--port-base', String(options.portBase)]);
  await tour.upload(info, image);
  const volumes = tour.makeVolumes();
  await tour.firstBoot(volumes);
  tour.pullThePlug(info.pid);
  tour.up([]);
  await tour.secondBoot(volumes);
  tour.pileus(['down']);
  options.say('Done: what the guest had written and synced before the kill was there after it.');
}

interface Volumes {
  readonly system: string;
  readonly data: string;
}

class Tour {
  private readonly options: TourOptions;

  constructor(options: TourOptions) {
    this.options = options;
  }

  /** Runs a command of ours and shows it; returns what it printed. */
  pileus(args: readonly string[]): string {
    this.options.say(`\n$ ./pileus ${args.join(' ')} --data ${this.options.data}`);
    const ran = spawnSync(join(root, 'pileus'), [...args, '--data', this.options.data], {
      encoding: 'utf8',
    });
    if (ran.status !== 0)
      throw new Failure('unreachable', 'demo-command-failed', ran.stderr.trim());
    return ran.stdout;
  }

  up(args: readonly string[]): CloudInfo {
    const startedMs = performance.now();
    const info = JSON.parse(this.pileus(['up', '--json', ...args])) as CloudInfo;
    this.options.say(
      `healthy after ${((performance.now() - startedMs) / 1000).toFixed(1)} s, pid ${info.pid}`,
    );
    return info;
  }

  async upload(info: CloudInfo, image: string): Promise<void> {
    const { endpoints, admin } = info;
    // Whoever runs the cloud may trust its authority.
    if (info.ca !== undefined)
      setDefaultCACertificates([...getCACertificates(), fs.readFileSync(info.ca, 'utf8')]);
    const login = {
      'x-auth-user': `${admin.project}:${admin.username}`,
      'x-auth-key': admin.password,
    };
    const session = await fetch(endpoints.swift_auth_v1, { headers: login });
    const url = session.headers.get('x-storage-url') ?? '';
    const headers = { 'x-auth-token': session.headers.get('x-auth-token') ?? '' };
    for (const [path, body] of [
      ['images', ''],
      ['images/guest.qcow2', fs.readFileSync(image)],
    ] as const) {
      const answer = await fetch(`${url}/${path}`, { method: 'PUT', headers, body });
      this.options.say(
        `\nPUT ${url}/${path} (${body.length} bytes) → ${answer.status}, ETag ${answer.headers.get('etag') ?? '-'}`,
      );
      if (!answer.ok) throw new Failure('unreachable', 'demo-upload-failed', await answer.text());
    }
  }

  makeVolumes(): Volumes {
    return {
      system: this.volume(['--name', 'system', '--from', 'images/guest.qcow2', '--size', '256MiB']),
      data: this.volume(['--name', 'data', '--size', '256MiB']),
    };
  }

  private volume(args: readonly string[]): string {
    const volume = JSON.parse(
      this.pileus(['volume', 'create', ...args, '--export', '--json']),
    ) as VolumeLine;
    this.options.say(`volume ${volume.id}, ${volume.nbd}`);
    return volume.nbd ?? '';
  }

  private async boot(volumes: Volumes): Promise<Guest> {
    const disks = [volumes.system, volumes.data];
    this.options.say(`\n$ qemu-system-x86_64 … -drive file=${disks[0]} -drive file=${disks[1]}`);
    const startedMs = performance.now();
    const onOutput = (text: string) => {
      if (this.options.console) process.stderr.write(text);
    };
    const guest = new Guest({ disks, memoryMiB: 256, onOutput });
    try {
      await guest.expect(/pileus-guest.* ready[^\n]*/, guestReadyMs);
      this.options.say(
        `the guest is ready after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`,
      );
      await guest.expect(/login:/, guestReadyMs);
      guest.type('root');
      await guest.expect(/# /, guestReadyMs);
    } catch (error) {
      guest.kill();
      throw error;
    }
    return guest;
  }

  private async inGuest(guest: Guest, command: string): Promise<void> {
    this.options.say(`guest# ${command}`);
    await guest.shell(command);
  }

  async firstBoot(volumes: Volumes): Promise<void> {
    const guest = await this.boot(volumes);
    try {
      await this.inGuest(
        guest,
        'mkfs.ext4 -q /dev/vdb && mkdir -p /mnt/vdb && mount /dev/vdb /mnt/vdb',
      );
      await this.inGuest(guest, `echo '${proof}' > /mnt/vdb/proof`);
      await this.inGuest(
        guest,
        'dd if=/dev/urandom of=/mnt/vdb/noise bs=1M count=16 && md5sum /mnt/vdb/noise > /mnt/vdb/noise.md5 && sync',
      );
    } finally {
      guest.kill();
    }
  }

  /** The guest and the whole cloud die at once. */
  pullThePlug(pid: number): void {
    this.options.say(`\n$ kill -9 ${pid}`);
    process.kill(pid, 'SIGKILL');
  }

  async secondBoot(volumes: Volumes): Promise<void> {
    const guest = await this.boot(volumes);
    try {
      await this.inGuest(guest, 'mkdir -p /mnt/vdb && mount /dev/vdb /mnt/vdb');
      await this.inGuest(guest, `grep -F '${proof}' /mnt/vdb/proof`);
      await this.inGuest(guest, 'md5sum -c /mnt/vdb/noise.md5');
      this.options.say('guest# poweroff');
      guest.type('poweroff');
      await guest.off(60_000);
    } finally {
      guest.kill();
    }
  }
}
