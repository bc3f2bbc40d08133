import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFailure, VirtualClock } from '#common';
import { adminToken, call, logIn } from './testing/client.ts';
import { startTestCloud, type TestCloud } from './testing/cloud.ts';

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.close());

describe('accounts', () => {
  it('log in as project:user and get a token for that project', async () => {
    const account = await cloud.identity.createUser({
      project: 'site',
      name: 'ann',
      password: 'sesame',
      s3: true,
    });
    const issued = await cloud.identity.authenticatePassword('site:ann', 'sesame');
    expect(issued?.info.scope).toMatchObject({ kind: 'project', name: 'site' });
    expect(issued?.info.roles.map((role) => role.name)).toEqual(['member', 'reader']);
    const info = await cloud.identity.validateToken(issued?.token ?? '');
    expect(info).toEqual(issued?.info);
    expect(account.s3?.accessKey).toMatch(/^[A-Z0-9]{20}$/);
    expect(account.s3?.secretKey).toMatch(/^[A-Za-z0-9]{40}$/);
  });

  it('are refused alike, whatever was wrong', async () => {
    for (const [user, password] of [
      ['site:ann', 'wrong'],
      ['site:nobody', 'sesame'],
      ['nowhere:ann', 'sesame'],
      ['demo:ann', 'sesame'],
      ['ann', 'sesame'],
      ['', ''],
      ['site:ann', ''],
    ] as const)
      expect(await cloud.identity.authenticatePassword(user, password)).toBeUndefined();
  });

  it('find the secret of an S3 key until its user or project may no more', async () => {
    const account = await cloud.identity.createUser({
      project: 'keys',
      name: 'bob',
      password: 'p',
      s3: true,
    });
    const access = account.s3?.accessKey ?? '';
    const found = await cloud.identity.s3Secret(access);
    expect(found?.secretKey).toBe(account.s3?.secretKey);
    expect(found?.user.name).toBe('bob');
    expect(found?.scope).toMatchObject({ kind: 'project', id: account.projectId });
    expect(await cloud.identity.s3Secret('NOSUCHKEY00000000000')).toBeUndefined();
    const token = await adminToken(cloud);
    const patch = { body: { user: { enabled: false } }, token };
    expect((await call(cloud, 'PATCH', `/v3/users/${account.userId}`, patch)).status).toBe(200);
    expect(await cloud.identity.s3Secret(access)).toBeUndefined();
  });

  it('join a project that is there, and names are taken once', async () => {
    const first = await cloud.identity.createUser({ project: 'team', name: 'c1', password: 'p' });
    const second = await cloud.identity.createUser({
      project: 'team',
      name: 'c2',
      password: 'p',
      role: 'reader',
    });
    expect(second.projectId).toBe(first.projectId);
    const again = cloud.identity.createUser({ project: 'team', name: 'c1', password: 'p' });
    await expect(again).rejects.toThrow('Duplicate entry');
    const unknown = cloud.identity.createUser({
      project: 'fresh',
      name: 'c3',
      password: 'p',
      role: 'emperor',
    });
    await expect(unknown).rejects.toThrow('no role emperor');
    const names = (await cloud.identity.listUsers()).map((user) => user.userName);
    expect(names).toContain('c2');
    expect(names).not.toContain('c3');
  });

  it('lose their tokens with their password, and all of it when removed', async () => {
    await cloud.identity.createUser({ project: 'gone', name: 'dora', password: 'old', s3: true });
    const before = await cloud.identity.authenticatePassword('gone:dora', 'old');
    let told = 0;
    const stop = cloud.identity.onRevoked(() => told++);
    await cloud.identity.setPassword('dora', 'new');
    stop();
    expect(told).toBe(1);
    expect(await cloud.identity.validateToken(before?.token ?? '')).toBeUndefined();
    expect(await cloud.identity.authenticatePassword('gone:dora', 'old')).toBeUndefined();
    const after = await cloud.identity.authenticatePassword('gone:dora', 'new');
    expect(await cloud.identity.validateToken(after?.token ?? '')).toBeDefined();
    await cloud.identity.removeUser('dora');
    expect(await cloud.identity.validateToken(after?.token ?? '')).toBeUndefined();
    await expect(cloud.identity.removeUser('dora')).rejects.toThrow('Could not find user');
  });
});

describe('tokens', () => {
  it('outlive a key rotation and a restart, and expire', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pileus-identity-'));
    const clock = new VirtualClock();
    const first = await startTestCloud({ folder, clock });
    const issued = await first.identity.authenticatePassword('admin:admin', first.admin.password);
    const token = issued?.token ?? '';
    await first.identity.rotateTokenKey();
    expect(await first.identity.validateToken(token)).toBeDefined();
    await first.close();

    const again = await startTestCloud({ folder, clock });
    expect(again.admin).toEqual(first.admin);
    expect(await again.identity.validateToken(token)).toBeDefined();
    await clock.advance(14_399_000);
    expect(await again.identity.validateToken(token)).toBeDefined();
    await clock.advance(1_000);
    expect(await again.identity.validateToken(token)).toBeUndefined();
    await again.close();
    await rm(folder, { recursive: true });
  });

  it('are revoked, and refused, in every process on the same state', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pileus-identity-'));
    const one = await startTestCloud({ folder, settings: { followMs: 50 } });
    const other = await startTestCloud({ folder, settings: { followMs: 50 } });
    const token = await adminToken(one);
    expect(await other.identity.validateToken(token)).toBeDefined();
    const told = new Promise<void>((resolve) => other.identity.onRevoked(resolve));
    const gone = await call(one, 'DELETE', '/v3/auth/tokens', {
      token,
      headers: { 'x-subject-token': token },
    });
    expect(gone.status).toBe(204);
    expect(await one.identity.validateToken(token)).toBeUndefined();
    await told;
    expect(await other.identity.validateToken(token)).toBeUndefined();
    // A key made by one is known to the other when its first token comes along.
    await one.identity.rotateTokenKey();
    const fresh = await adminToken(one);
    expect(await other.identity.validateToken(fresh)).toBeDefined();
    await other.close();
    await one.close();
    await rm(folder, { recursive: true });
  });

  it('lose the roles that their user loses, at once', async () => {
    const admin = await adminToken(cloud);
    const { userId, projectId } = await cloud.identity.createUser({
      project: 'shrink',
      name: 'eve',
      password: 'p',
    });
    const token = await logIn(cloud, { name: 'eve', password: 'p' });
    const roles = await call(cloud, 'GET', '/v3/roles?name=member', { token: admin });
    const [role] = roles.body.roles as { id: string }[];
    const grant = `/v3/projects/${projectId}/users/${userId}/roles/${role?.id}`;
    expect((await cloud.identity.validateToken(token))?.roles).toHaveLength(2);
    expect((await call(cloud, 'DELETE', grant, { token: admin })).status).toBe(204);
    expect(await cloud.identity.validateToken(token)).toBeUndefined();
    expect((await call(cloud, 'PUT', grant, { token: admin })).status).toBe(204);
    expect((await cloud.identity.validateToken(token))?.roles).toHaveLength(2);
  });
});

describe('the first start', () => {
  it('keeps the credentials in a file of this user alone, and no secret in the state', async () => {
    const path = join(cloud.folder, 'admin.json');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(cloud.folder, 'sealing.key'))).mode & 0o777).toBe(0o600);
    for (const name of ['state.sqlite', 'state.sqlite-wal']) {
      const bytes = await readFile(join(cloud.folder, name));
      expect(bytes.includes(cloud.admin.secretKey)).toBe(false);
      expect(bytes.includes(cloud.admin.password)).toBe(false);
    }
  });

  it('happens once', async () => {
    const endpoints = [{ type: 'identity', name: 'keystone', url: `${cloud.server.url}/v3` }];
    expect(await cloud.identity.bootstrap(cloud.admin, endpoints)).toBe(false);
  });

  it('publishes where services are now', async () => {
    const moved = [{ type: 'image', name: 'glance', url: 'http://127.0.0.1:9292' }];
    await cloud.identity.bootstrap(cloud.admin, moved);
    const again = [{ type: 'image', name: 'glance', url: 'http://127.0.0.1:9393' }];
    await cloud.identity.bootstrap(cloud.admin, again);
    const token = await adminToken(cloud);
    const { text } = await call(cloud, 'GET', '/v3/auth/catalog', { token });
    expect(text).toContain('http://127.0.0.1:9393');
    expect(text).not.toContain('http://127.0.0.1:9292');
  });
});

describe('lockout', () => {
  it('keeps guessers out for a while, and with them the right password', async () => {
    const clock = new VirtualClock();
    const strict = await startTestCloud({
      clock,
      settings: { lockoutFailuresMax: 3, lockoutDurationS: 60 },
    });
    await strict.identity.createUser({ project: 'p', name: 'fay', password: 'right' });
    const guess = (password: string) => strict.identity.authenticatePassword('p:fay', password);
    expect(await guess('right')).toBeDefined();
    for (let at = 0; at < 3; at++) expect(await guess('wrong')).toBeUndefined();
    expect(await guess('right')).toBeUndefined();
    await clock.advance(61_000);
    expect(await guess('right')).toBeDefined();
    await strict.close();
  });
});

describe('a busy password gate', () => {
  it('is a failure of its own, not a wrong password', async () => {
    const narrow = await startTestCloud({
      settings: { passwordsInFlightMax: 1, passwordsWaitingMax: 0 },
    });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 4 }, () => narrow.identity.authenticatePassword('admin:admin', 'x')),
    );
    const busy = outcomes.filter(
      (outcome) => outcome.status === 'rejected' && isFailure(outcome.reason, 'busy'),
    );
    expect(busy.length).toBeGreaterThan(0);
    await narrow.close();
  });
});
