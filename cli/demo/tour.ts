/**
 * The tour that `pileus demo` gives, which is the README's: a network, a server, ssh to it, a disk for it, the whole cloud killed under it,
 * an image of it, its end. Every line is one that a person types; the openstack client is the real one.
 */
import { join } from 'node:path';
import { Failure } from '#common';
import type { CloudInfo } from '../cloud-types.ts';
import { ensurePackages, packagesFor } from '../packages.ts';
import { Shell } from './shell.ts';

const launcher = join(import.meta.dirname, '../../pileus');
const imageMs = 600_000;
const bootMs = 180_000;
const proof = 'written before the cloud was killed';
const ssh =
  'ssh -i key -o BatchMode=yes -o ConnectTimeout=3 -o LogLevel=ERROR -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null';

export interface TourOptions {
  /** Everything that it makes is in here. */
  readonly folder: string;
  readonly portBase: number;
  readonly say: (line: string) => void;
}

export async function giveTour(options: TourOptions): Promise<void> {
  const { say, folder } = options;
  const needed = [...packagesFor.demo, ...packagesFor.guest, ...packagesFor.networks];
  ensurePackages(needed, 'the demonstration');
  const shell = new Shell({ folder, say });
  const tour = new Tour(shell, say, join(folder, 'data'));
  await tour.up(`--port-base ${options.portBase}`);
  await tour.network();
  const address = await tour.server();
  await tour.disk(address);
  await tour.pullThePlug(address);
  await tour.end(address);
  await tour.down();
  say(
    '\nDone: every line did what it says, and what the guest had synced was there after the kill.',
  );
}

class Tour {
  private readonly shell: Shell;
  private readonly say: (line: string) => void;
  private readonly data: string;
  private pid = 0;

  constructor(shell: Shell, say: (line: string) => void, data: string) {
    this.shell = shell;
    this.say = say;
    this.data = data;
  }

  async up(more: string): Promise<void> {
    const startedMs = performance.now();
    const command = `./pileus up --data data ${more}`.trim();
    this.say(`\n$ ${command}`);
    const answer = await this.shell.line(
      `'${launcher}' up --json --data '${this.data}' ${more}`.trim(),
      { quietly: true },
    );
    const info = JSON.parse(answer) as CloudInfo;
    this.pid = info.pid;
    this.say(`healthy after ${secondsSince(startedMs)} s, pid ${info.pid}`);
    Object.assign(this.shell.variables, {
      OS_CLIENT_CONFIG_FILE: join(this.data, 'clouds.yaml'),
      OS_CLOUD: 'pileus',
    });
    if (more === '') return;
    this.say('the guest image is made ready beside it (built once from Debian packages)');
    await this.shell.until(
      'openstack image show pileus-guest -f value -c status | grep -q active',
      imageMs,
    );
  }

  async network(): Promise<void> {
    const { shell } = this;
    await shell.line(
      "ssh-keygen -q -t ed25519 -N '' -f key && openstack keypair create --public-key key.pub mine -f value -c fingerprint",
    );
    await shell.line('openstack network create inside -f value -c id');
    await shell.line(
      'openstack subnet create --network inside --subnet-range 10.1.0.0/24 inside -f value -c gateway_ip',
    );
    await shell.line(
      'openstack router create --external-gateway public out -f value -c id && openstack router add subnet out inside',
    );
    await shell.line(
      'openstack security group rule create --protocol tcp --dst-port 22 default -f value -c id',
    );
  }

  /** From the command to the guest's answer. */
  async server(): Promise<string> {
    const { shell } = this;
    const startedMs = performance.now();
    const id = await shell.line(
      'openstack server create --image pileus-guest --flavor m1.tiny --network inside --key-name mine --wait web -f value -c id',
    );
    const address = await shell.line(
      'openstack floating ip create public -f value -c floating_ip_address',
    );
    await shell.line(`openstack server add floating ip web ${address}`);
    this.say(`\n$ ssh -i key root@${address} hostname`);
    this.say(await shell.until(`${ssh} root@${address} hostname`, bootMs));
    this.say(
      `from \`server create\` to the ssh prompt: ${secondsSince(startedMs)} s; Pileus's own share (the server's creation as an operation, ` +
        `scheduling to running guest): ${await this.ownShare(id)} s; the rest is the guest's boot and the start of four clients`,
    );
    return address;
  }

  /** How long the operation took that made the server, as the cloud has it written down. */
  private async ownShare(serverId: string): Promise<string> {
    const found = await this.shell.line(
      `'${launcher}' operation list --resource ${serverId} --json --data '${this.data}'`,
      { quietly: true },
    );
    const [made] = JSON.parse(found) as { created_at: string; ended_at: string }[];
    if (made === undefined)
      throw new Failure('bug', 'demo-no-operation', 'The server was made by no operation');
    return ((Date.parse(made.ended_at) - Date.parse(made.created_at)) / 1000).toFixed(2);
  }

  async disk(address: string): Promise<void> {
    const { shell } = this;
    await shell.line('openstack volume create --size 1 data -f value -c id');
    await shell.line('openstack server add volume web data -f value -c Device');
    await this.inGuest(
      address,
      `mkfs.ext4 -q /dev/vdb && mkdir -p /data && mount /dev/vdb /data && echo '${proof}' > /data/proof && sync && df -h /data`,
    );
  }

  private async inGuest(address: string, command: string): Promise<string> {
    this.say(`\n$ ssh -i key root@${address}\nroot@web# ${command}`);
    const answer = await this.shell.line(`${ssh} root@${address} "${command}"`, { quietly: true });
    this.say(answer);
    return answer;
  }

  /** The whole cloud dies; the guest does not, and goes on as soon as the cloud is back. */
  async pullThePlug(address: string): Promise<void> {
    this.say(`\n$ kill -9 ${this.pid}`);
    process.kill(this.pid, 'SIGKILL');
    await this.up('');
    const answer = await this.inGuest(
      address,
      'cat /data/proof && echo and after it >> /data/proof && sync && uptime',
    );
    if (!answer.startsWith(proof))
      throw new Failure('corrupt', 'demo-data-lost', `The guest read: ${answer}`);
  }

  async end(address: string): Promise<void> {
    const { shell } = this;
    await this.inGuest(address, 'umount /data');
    await shell.line('openstack server remove volume web data');
    await shell.line(
      'openstack server image create --name web-as-it-was --wait web -f value -c status',
    );
    await shell.line(`openstack floating ip delete ${address}`);
    await shell.line('openstack server delete --wait web');
    await shell.line(
      'openstack server create --image web-as-it-was --flavor m1.tiny --network inside --wait again -f value -c status',
    );
    await shell.line('openstack server delete --wait again');
    await shell.line('openstack volume list -f value -c Name -c Status');
  }

  async down(): Promise<void> {
    this.say('\n$ ./pileus down --data data');
    this.say(await this.shell.line(`'${launcher}' down --data '${this.data}'`, { quietly: true }));
  }
}

const secondsSince = (ms: number): string => ((performance.now() - ms) / 1000).toFixed(1);
