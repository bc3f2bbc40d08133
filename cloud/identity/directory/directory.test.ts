/** Users in a real directory: Debian's slapd, started for this test alone. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminToken, authBody, call, textAt } from '../testing/client.ts';
import { startTestCloud, type TestCloud } from '../testing/cloud.ts';
import { escaped } from './directory.ts';

const suffix = 'dc=example,dc=org';
const entry = (uid: string, cn: string, more: readonly string[] = []) =>
  [
    `dn: uid=${uid},ou=people,${suffix}`,
    'objectClass: inetOrgPerson',
    `uid: ${uid}`,
    `cn: ${cn}`,
    'sn: x',
    `mail: ${uid}@example.org`,
    `userPassword: ${uid}-word`,
    ...more,
  ].join('\n');
const ldif = [
  `dn: ${suffix}\nobjectClass: dcObject\nobjectClass: organization\no: x\ndc: example`,
  `dn: ou=people,${suffix}\nobjectClass: organizationalUnit\nou: people`,
  `dn: ou=groups,${suffix}\nobjectClass: organizationalUnit\nou: groups`,
  entry('ann', 'Ann', ['employeeType: TRUE']),
  entry('bob', 'Bob (the builder)*', ['employeeType: TRUE']),
  entry('out', 'Out', ['employeeType: FALSE']),
  `dn: cn=devs,ou=groups,${suffix}\nobjectClass: groupOfNames\ncn: devs\nou: Developers\nmember: uid=ann,ou=people,${suffix}`,
].join('\n\n');

let cloud: TestCloud;
let folder: string;
let slapd: ChildProcess;
let port: number;
let admin: string;
let domainId: string;

const freePort = () =>
  new Promise<number>((resolve) => {
    const probe = createServer();
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        resolve(typeof address === 'object' && address !== null ? address.port : 0),
      );
    });
  });

async function startSlapd(): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), 'pileus-slapd-'));
  await mkdir(join(folder, 'db'));
  const schemas = ['core', 'cosine', 'inetorgperson'].map(
    (name) => `include /etc/ldap/schema/${name}.schema`,
  );
  const conf = [
    ...schemas,
    'modulepath /usr/lib/ldap',
    'moduleload back_mdb',
    `pidfile ${folder}/pid`,
    'database mdb',
    `suffix "${suffix}"`,
    `rootdn "cn=root,${suffix}"`,
    'rootpw root-word',
    `directory ${folder}/db`,
    'access to attrs=userPassword by anonymous auth by * none',
    'access to * by * read',
    '',
  ];
  await writeFile(join(folder, 'slapd.conf'), conf.join('\n'));
  await writeFile(join(folder, 'data.ldif'), `${ldif}\n`);
  const add = ['-f', join(folder, 'slapd.conf'), '-l', join(folder, 'data.ldif')];
  const added = spawnSync('/usr/sbin/slapadd', add, { encoding: 'utf8' });
  if (added.status !== 0) throw new Error(`slapadd: ${added.stderr}`);
  port = await freePort();
  const url = `ldap://127.0.0.1:${port}`;
  slapd = spawn('/usr/sbin/slapd', ['-f', join(folder, 'slapd.conf'), '-h', url, '-d', '0'], {
    stdio: 'ignore',
  });
}

/** Changes the directory as its administrator. */
function modify(change: string): void {
  const args = [
    '-x',
    '-H',
    `ldap://127.0.0.1:${port}`,
    '-D',
    `cn=root,${suffix}`,
    '-w',
    'root-word',
  ];
  const done = spawnSync('ldapmodify', args, { input: `${change}\n`, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`ldapmodify: ${done.stderr}`);
}

const logIn = (name: string, password: string) =>
  call(cloud, 'POST', '/v3/auth/tokens', { body: authBody({ name, password, domain: 'corp' }) });
const listed = () => call(cloud, 'GET', `/v3/users?domain_id=${domainId}`, { token: admin });

beforeAll(async () => {
  await startSlapd();
  cloud = await startTestCloud();
  admin = await adminToken(cloud);
  const made = await call(cloud, 'POST', '/v3/domains', {
    token: admin,
    body: { domain: { name: 'corp' } },
  });
  domainId = textAt(made, 'domain.id');
  const ldap = {
    url: `ldap://127.0.0.1:${port}`,
    suffix,
    user: `cn=root,${suffix}`,
    password: 'root-word',
    user_tree_dn: `ou=people,${suffix}`,
    user_id_attribute: 'uid',
    user_name_attribute: 'cn',
    user_enabled_attribute: 'employeeType',
    group_tree_dn: `ou=groups,${suffix}`,
  };
  const config = { config: { identity: { driver: 'ldap' }, ldap } };
  const put = await call(cloud, 'PUT', `/v3/domains/${domainId}/config`, {
    token: admin,
    body: config,
  });
  expect(put.status).toBe(201);
  expect(put.text).not.toContain('root-word');
});
afterAll(async () => {
  await cloud.close();
  const gone = new Promise((resolve) => slapd.on('close', resolve));
  slapd.kill();
  await gone;
  await rm(folder, { recursive: true });
});

describe('a domain whose users are in a directory', () => {
  it('lets them in by the directory’s password alone', async () => {
    const ann = await logIn('Ann', 'ann-word');
    expect(ann.status).toBe(201);
    for (const [name, password] of [
      ['Ann', 'bob-word'],
      ['Ann', ''],
      ['Out', 'out-word'],
      ['Nobody', 'x'],
      ['*', 'ann-word'],
      ['Ann)(uid=*', 'ann-word'],
    ] as const)
      expect((await logIn(name, password)).status, name).toBe(401);
    expect((await logIn('Bob (the builder)*', 'bob-word')).status).toBe(201);
    const again = await logIn('Ann', 'ann-word');
    expect(textAt(again, 'token.user.id')).toBe(textAt(ann, 'token.user.id'));
    const byId = await call(cloud, 'POST', '/v3/auth/tokens', {
      body: {
        auth: {
          identity: {
            methods: ['password'],
            password: { user: { id: textAt(ann, 'token.user.id'), password: 'ann-word' } },
          },
        },
      },
    });
    expect(byId.status).toBe(201);
  });

  it('shows them, and their groups give roles', async () => {
    const rows = (await listed()).body.users;
    expect(rows).toMatchObject([
      { name: 'Ann', email: 'ann@example.org', enabled: true },
      { name: 'Bob (the builder)*', enabled: true },
      { name: 'Out', enabled: false },
    ]);
    const group = textAt(
      await call(cloud, 'GET', `/v3/groups?domain_id=${domainId}`, { token: admin }),
      'groups.0.id',
    );
    const role = textAt(
      await call(cloud, 'GET', '/v3/roles?name=member', { token: admin }),
      'roles.0.id',
    );
    const grant = `/v3/domains/${domainId}/groups/${group}/roles/${role}`;
    expect((await call(cloud, 'PUT', grant, { token: admin })).status).toBe(204);
    const scope = { domain: { id: domainId } };
    const scoped = (name: string, password: string) =>
      call(cloud, 'POST', '/v3/auth/tokens', {
        body: authBody({ name, password, domain: 'corp', scope }),
      });
    expect((await scoped('Ann', 'ann-word')).status).toBe(201);
    expect((await scoped('Bob (the builder)*', 'bob-word')).status).toBe(401);
  });

  it('is changed there and not here', async () => {
    const id = textAt(await listed(), 'users.0.id');
    const attempts: [string, string, unknown?][] = [
      ['PATCH', `/v3/users/${id}`, { user: { enabled: false } }],
      ['DELETE', `/v3/users/${id}`],
      ['POST', '/v3/users', { user: { name: 'new', domain_id: domainId } }],
      ['POST', '/v3/groups', { group: { name: 'new', domain_id: domainId } }],
    ];
    for (const [method, path, body] of attempts) {
      const sent = body === undefined ? {} : { body };
      const answer = await call(cloud, method, path, { token: admin, ...sent });
      expect(answer.status, `${method} ${path}`).toBe(403);
    }
    const change = await call(cloud, 'POST', `/v3/users/${id}/password`, {
      body: { user: { original_password: 'ann-word', password: 'x' } },
    });
    expect(change.status).toBe(403);
    modify(
      `dn: uid=ann,ou=people,${suffix}\nchangetype: modify\nreplace: employeeType\nemployeeType: FALSE`,
    );
    expect((await logIn('Ann', 'ann-word')).status).toBe(401);
  });

  it('is unavailable without its directory, and says so', async () => {
    const url = 'ldap://127.0.0.1:1';
    await call(cloud, 'PATCH', `/v3/domains/${domainId}/config/ldap/url`, {
      token: admin,
      body: { config: { url } },
    });
    expect((await logIn('Ann', 'ann-word')).status).toBe(503);
    // Other domains do not notice.
    expect(await adminToken(cloud)).toBeDefined();
  });
});

it('writes values into filters as values', () => {
  expect(escaped('a)(uid=*')).toBe('a\\29\\28uid=\\2a');
  expect(escaped('\\\0')).toBe('\\5c\\00');
});
