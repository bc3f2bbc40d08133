/** The real `openstack` and `swift` command lines against the API. */
import { execFile, spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestCloud, type TestCloud } from './testing/cloud.ts';

let cloud: TestCloud;
let objects: Server;
const seen: string[] = [];

beforeAll(async () => {
  // Stands where the object store's front door will be: asks identity about the token, as that one does.
  objects = createServer((request, response) => {
    void (async () => {
      const info = await cloud.identity.validateToken(String(request.headers['x-auth-token']));
      seen.push(`${request.method} ${request.url} ${info?.user.name}`);
      response.writeHead(info === undefined ? 401 : 204, {
        'x-account-container-count': '7',
        'x-account-object-count': '0',
        'x-account-bytes-used': '0',
      });
      response.end();
    })();
  });
  await new Promise<void>((resolve) => objects.listen(0, '127.0.0.1', resolve));
  const address = objects.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  cloud = await startTestCloud({ objectUrl: `http://127.0.0.1:${port}/v1/AUTH_%(project_id)s` });
});
afterAll(async () => {
  await cloud.close();
  await new Promise((resolve) => objects.close(resolve));
});

const environment = () => ({
  PATH: '/usr/bin:/bin',
  OS_AUTH_URL: `${cloud.server.url}/v3`,
  OS_USERNAME: cloud.admin.username,
  OS_PASSWORD: cloud.admin.password,
  OS_PROJECT_NAME: cloud.admin.project,
  OS_USER_DOMAIN_NAME: cloud.admin.domain,
  OS_PROJECT_DOMAIN_NAME: cloud.admin.domain,
  OS_IDENTITY_API_VERSION: '3',
});

/** Runs commands through one interactive `openstack`, whose start costs more than all of them. */
function openstack(commands: readonly string[], extra: Record<string, string> = {}) {
  return new Promise<{ out: string; errors: string }>((resolve, reject) => {
    const child = spawn('openstack', [], { env: { ...environment(), ...extra } });
    let out = '';
    let errors = '';
    child.stdout.on('data', (bytes) => {
      out += bytes;
    });
    child.stderr.on('data', (bytes) => {
      errors += bytes;
    });
    child.on('error', reject);
    child.on('close', () => resolve({ out, errors }));
    child.stdin.end(`${commands.join('\n')}\n`);
  });
}

describe('openstack', () => {
  it('does an administrator’s day', async () => {
    const { out, errors } = await openstack([
      'token issue -f value -c project_id',
      'catalog list -f value -c Name',
      'domain create --description d1 acme',
      'project create --domain acme --tag a --tag b --property colour=blue build',
      'project set --domain acme --name builder --tag c build',
      'project show --domain acme builder -f value -c tags -c colour --parents',
      'project list --domain acme -f value -c Name --tags a',
      'project list --my-projects -f value -c Name',
      'user create --domain acme --password sesame --email a@b.c --project builder --project-domain acme ann',
      'user set --domain acme --description hello ann',
      'user show --domain acme ann -f value -c email -c description',
      'user list --domain acme -f value -c Name',
      'group create --domain acme devs',
      'group set --domain acme --description g devs',
      'group add user --group-domain acme --user-domain acme devs ann',
      'group contains user --group-domain acme --user-domain acme devs ann',
      'group list --user ann --user-domain acme -f value -c Name',
      'user list --group devs --domain acme -f value -c Name',
      'role create auditor',
      'role set --description r auditor',
      'role show auditor -f value -c description',
      'implied role create auditor --implied-role reader',
      'role add --user ann --user-domain acme --project builder --project-domain acme member',
      'role add --group devs --group-domain acme --domain acme --inherited auditor',
      'role add --user ann --user-domain acme --system all reader',
      'role assignment list --names -f value',
      'role assignment list --effective --names --user ann --user-domain acme -f value -c Role -c Project -c System',
      'role remove --user ann --user-domain acme --system all reader',
      'implied role delete auditor --implied-role reader',
      'region create RegionTwo --description far',
      'region set RegionTwo --description near',
      'service create --name glance --description img image',
      'endpoint create --region RegionTwo image public http://127.0.0.1:9292',
      'endpoint list --service glance -f value -c URL',
      'service set --disable glance',
      'service delete glance',
      'region delete RegionTwo',
      'ec2 credentials create -f value -c access',
      'ec2 credentials list -f value -c Access',
      'credential list -f value -c Type',
      'application credential create ci --role reader -f value -c name',
      'application credential list -f value -c Name',
      'application credential delete ci',
      'versions show -f value -c Status',
      'domain set --disable acme',
      'domain delete acme',
      'domain list -f value -c Name',
    ]);
    expect(errors).toBe('');
    for (const expected of [
      'swift',
      'blue',
      'builder',
      'a@b.c',
      'hello',
      'ann in group devs',
      'auditor',
      'reader ',
      'http://127.0.0.1:9292',
      cloud.admin.accessKey,
    ])
      expect(out).toContain(expected);
    // The client keeps tags in a set, so their order is its own.
    expect(out).toMatch(/\[('[abc]'(, )?){3}\]/);
    expect(out).toMatch(/auditor \S*builder@acme/);
    expect(out.trimEnd().endsWith('Default')).toBe(true);
  });

  it('is told in words when something is not there or not allowed', async () => {
    await cloud.identity.createUser({ project: 'site', name: 'tom', password: 'tiger' });
    const { errors } = await openstack(
      ['user list', 'project show nowhere', 'project create mine'],
      { OS_USERNAME: 'tom', OS_PASSWORD: 'tiger', OS_PROJECT_NAME: 'site' },
    );
    expect(errors).toContain(
      'You are not authorized to perform the requested action: identity:list_users',
    );
    expect(errors).toContain('identity:list_projects');
    expect(errors).toContain('identity:create_project');
    const wrong = await openstack(['token issue'], { OS_PASSWORD: 'wrong' });
    expect(wrong.errors).toContain('The request you have made requires authentication. (HTTP 401)');
  });

  it('lets a user change a password', async () => {
    await cloud.identity.createUser({ project: 'site', name: 'sue', password: 'old-one' });
    const env = { OS_USERNAME: 'sue', OS_PROJECT_NAME: 'site' };
    const { errors } = await openstack(
      ['user password set --password new-one --original-password old-one'],
      { ...env, OS_PASSWORD: 'old-one' },
    );
    expect(errors).toBe('');
    expect(await cloud.identity.authenticatePassword('site:sue', 'old-one')).toBeUndefined();
    expect(await cloud.identity.authenticatePassword('site:sue', 'new-one')).toBeDefined();
  });
});

describe('swift', () => {
  it('logs in through the catalog', async () => {
    const args = ['--auth-version', '3', 'stat'];
    const { stdout } = await promisify(execFile)('swift', args, { env: environment() });
    expect(stdout).toMatch(/Containers: 7/);
    expect(seen.at(-1)).toMatch(/^HEAD \/v1\/AUTH_[0-9a-f]{32} admin$/);
  });
});
