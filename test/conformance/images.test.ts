/** Images by the clients people have: `openstack image`, openstacksdk, python-glanceclient; on a real cloud. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePortBase, run, runOk, scratchFolder, TestCloud } from '../support/cloud.ts';

let cloud: TestCloud;
let folder: string;
let web: Server;
let webUrl: string;

beforeAll(async () => {
  folder = scratchFolder('images');
  const port = (await freePortBase()) + 17;
  const settings = `image:\n  guest: false\n  volumes: false\n  webDownloadHosts: 127.0.0.1\n  webDownloadPorts: "${port}"\n`;
  cloud = await TestCloud.start('images', settings);
  fs.writeFileSync(join(folder, 'disk.raw'), Buffer.alloc(4 << 20, 'pileus image '));
  await runOk('qemu-img', [
    'convert',
    '-O',
    'qcow2',
    join(folder, 'disk.raw'),
    join(folder, 'disk.qcow2'),
  ]);
  const backed = ['create', '-q', '-f', 'qcow2', '-b', '/etc/passwd', '-F', 'raw'];
  await runOk('qemu-img', [...backed, join(folder, 'backed.qcow2')]);
  web = createServer((request, response) => {
    if (request.url === '/disk.qcow2')
      fs.createReadStream(join(folder, 'disk.qcow2')).pipe(response);
    else if (request.url === '/inside')
      response.writeHead(302, { location: 'http://169.254.169.254/x' }).end();
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => web.listen(port, '127.0.0.1', resolve));
  webUrl = `http://127.0.0.1:${port}`;
});
afterAll(async () => {
  web.close();
  await cloud.remove();
  fs.rmSync(folder, { recursive: true });
});

const environment = (): Record<string, string> => {
  const { admin, endpoints } = cloud.info;
  return {
    OS_AUTH_URL: endpoints.identity,
    OS_IDENTITY_API_VERSION: '3',
    OS_USERNAME: admin.username,
    OS_PASSWORD: admin.password,
    OS_PROJECT_NAME: admin.project,
    OS_USER_DOMAIN_NAME: admin.domain,
    OS_PROJECT_DOMAIN_NAME: admin.domain,
  };
};

/** Runs commands through one interactive `openstack`, whose start costs more than all of them. */
async function openstack(commands: readonly string[], extra: Record<string, string> = {}) {
  const child = spawn('openstack', [], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, ...environment(), ...extra },
  });
  let out = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk;
  });
  child.stdin.end(`${commands.join('\n')}\n`);
  await new Promise((resolve) => child.on('close', resolve));
  return { out, errors };
}

/** A line of `-f shell` output. */
const field = (out: string, name: string) => new RegExp(`^${name}="(.*)"$`, 'm').exec(out)?.[1];

describe('openstack image', () => {
  test('creates, shows, lists, changes, saves, shares and deletes', async () => {
    const { out, errors } = await openstack([
      'image create --disk-format qcow2 --container-format bare --file disk.qcow2 --min-disk 1 --property os_distro=debian --tag web --private one',
      'image create --disk-format raw --file disk.raw --shared two',
      'image show -f shell --prefix one_ one',
      'image list --long -f csv',
      'image list --tag web -f value -c Name',
      'image list --property os_distro=debian -f value -c Name -c Status',
      'image list --sort name:desc -f value -c Name',
      'image list --limit 1 -f value -c Name',
      'image set --name uno --property os_version=12 --min-ram 64 --protected --tag db one',
      'image show -f shell --prefix uno_ uno',
      'image delete uno',
      'image set --unprotected --deactivate uno',
      'image show -f shell --prefix off_ uno',
      'image set --activate uno',
      'image unset --property os_version --tag db uno',
      'image show -f shell --prefix end_ uno',
      'image save --file saved.qcow2 uno',
      'image add project two demo',
      'image member list two -f value -c Status',
      'image remove project two demo',
      'image member list two -f value -c Status',
      'image set --hidden two',
      'image list --hidden -f value -c Name',
      'image list -f value -c Name',
    ]);
    expect(errors).toMatch(/Image .* is protected and cannot be deleted/);
    expect(errors.split('\n').filter((line) => /error|exception/i.test(line)).length).toBeLessThan(
      3,
    );
    const size = String(fs.statSync(join(folder, 'disk.qcow2')).size);
    expect(field(out, 'one_status')).toBe('active');
    expect(field(out, 'one_size')).toBe(size);
    expect(field(out, 'one_virtual_size')).toBe(String(4 << 20));
    expect(field(out, 'one_visibility')).toBe('private');
    expect(field(out, 'one_min_disk')).toBe('1');
    expect(field(out, 'uno_protected')).toBe('True');
    expect(field(out, 'uno_min_ram')).toBe('64');
    expect(field(out, 'uno_tags')).toMatch(/db.*web|web.*db/);
    expect(field(out, 'off_status')).toBe('deactivated');
    expect(field(out, 'end_status')).toBe('active');
    expect(field(out, 'end_tags')).toBe("['web']");
    expect(out).toContain('"two","raw","bare",4194304');
    expect(out).toMatch(/^pending$/m);
    expect(
      fs
        .readFileSync(join(folder, 'saved.qcow2'))
        .equals(fs.readFileSync(join(folder, 'disk.qcow2'))),
    ).toBe(true);
  });

  test('gives the reason why an image is refused', async () => {
    const { errors } = await openstack([
      'image create --disk-format qcow2 --file backed.qcow2 backed',
      'image create --disk-format raw --file disk.qcow2 mislabelled',
    ]);
    expect(errors).toContain('it names a backing file');
    expect(errors).toContain('create it with disk_format qcow2');
  });

  test('shares with another project, which accepts', async () => {
    await cloud.pileus([
      'user',
      'create',
      '--project',
      'beta',
      '--name',
      'bea',
      '--password',
      'secret-bea',
    ]);
    const beta = { OS_USERNAME: 'bea', OS_PASSWORD: 'secret-bea', OS_PROJECT_NAME: 'beta' };
    await openstack([
      'image create --disk-format raw --file disk.raw --shared lent',
      'image add project lent beta',
    ]);
    const id = (
      await runOk('openstack', ['image', 'show', '-f', 'value', '-c', 'id', 'lent'], {
        env: environment(),
      })
    ).trim();
    const before = await openstack(
      [
        'image list -f value -c Name',
        `image set --accept ${id}`,
        'image list -f value -c Name',
        `image delete ${id}`,
        `image save --file lent.raw ${id}`,
      ],
      beta,
    );
    expect(before.out.match(/lent/g)).toHaveLength(1);
    expect(before.errors).toMatch(/403|Forbidden|not authorized/i);
    expect(
      fs.readFileSync(join(folder, 'lent.raw')).equals(fs.readFileSync(join(folder, 'disk.raw'))),
    ).toBe(true);
  });
});

test('the same image twice takes its room once, and none when both are gone', async () => {
  const used = async () => {
    const status = JSON.parse(await cloud.pileus(['status', '--json'])) as {
      devices: { blobs: number }[];
    };
    return status.devices.reduce((sum, device) => sum + device.blobs, 0);
  };
  fs.writeFileSync(
    join(folder, 'big.raw'),
    Buffer.alloc(24 << 20, 'the same bytes in two images '),
  );
  await openstack(['image create --disk-format raw --file big.raw first']);
  const once = await until(used, (blobs) => blobs > 0);
  await openstack(['image create --disk-format raw --file big.raw second']);
  await until(used, (blobs) => blobs <= once);
  await openstack(['image delete first']);
  await openstack(['image save --file second.raw second', 'image delete second']);
  expect(fs.statSync(join(folder, 'second.raw')).size).toBe(24 << 20);
  await until(used, (blobs) => blobs < once);
});

test('an object becomes an image without a copy, and neither needs the other', async () => {
  const { endpoints } = cloud.info;
  const bytes = randomBytes(3 << 20);
  fs.writeFileSync(join(folder, 'object.raw'), bytes);
  const token = (
    await runOk('openstack', ['token', 'issue', '-f', 'value', '-c', 'id'], { env: environment() })
  ).trim();
  await openstack(['container create disks', 'object create disks object.raw']);
  const send = async (method: string, path: string, body?: unknown) => {
    const headers = { 'x-auth-token': token, 'content-type': 'application/json' };
    const answer = await fetch(endpoints.image + path, {
      ...{ method, headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()) };
  };
  const imported = async (ask: (id: string) => Promise<{ status: number }>) => {
    const made = await send('POST', '/v2/images', { disk_format: 'raw', container_format: 'bare' });
    const { id } = JSON.parse(made.bytes.toString()) as { id: string };
    expect((await ask(id)).status).toBe(202);
    const status = async () =>
      (JSON.parse((await send('GET', `/v2/images/${id}`)).bytes.toString()) as { status: string })
        .status;
    await until(status, (now) => now === 'active');
    return id;
  };
  const url = 's3://disks/object.raw';
  const used = async () => {
    const status = JSON.parse(await cloud.pileus(['status', '--json'])) as {
      devices: { blobs: number }[];
    };
    return status.devices.reduce((sum, device) => sum + device.blobs, 0);
  };
  const before = await until(used, () => true);
  const first = await imported((id) => send('POST', `/v2/images/${id}/locations`, { url }));
  const method = { name: 'web-download', uri: url };
  const second = await imported((id) => send('POST', `/v2/images/${id}/import`, { method }));
  // No more than before; fewer when what earlier images left goes just now.
  expect(await until(used, () => true)).toBeLessThanOrEqual(before);
  await openstack(['object delete disks object.raw', `image delete ${first}`]);
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  const saved = await send('GET', `/v2/images/${second}/file`);
  expect(saved.bytes.equals(bytes)).toBe(true);
  await openstack([`image delete ${second}`]);
  await until(used, (blobs) => blobs < before);
});

/** Asks until the answer is good and stays so for a second look, for at most a minute. */
async function until<T>(ask: () => Promise<T>, good: (answer: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const answer = await ask();
    await new Promise((resolve) => setTimeout(resolve, 500));
    if (good(answer) && (await ask()) === answer) return answer;
    if (tries > 100) throw new Error(`still ${JSON.stringify(answer)}`);
  }
}

test('openstacksdk and glanceclient stage, import, download and describe', async () => {
  const script = join(import.meta.dirname, '../support/images.py');
  const env = { ...environment(), WEB: webUrl, FOLDER: folder };
  const ran = await run('/usr/bin/python3', [script], { env, timeoutMs: 120_000 });
  expect(ran.stderr).toBe('');
  expect(ran.stdout.trim().split('\n').at(-1)).toBe('all good');
});
