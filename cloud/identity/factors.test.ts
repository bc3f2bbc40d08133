/** Password rules, further factors with receipts, lockout and user options. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeBase32, passcodeAt, passcodesNow } from './authenticate/totp.ts';
import { adminToken, authBody, call, textAt } from './testing/client.ts';
import { startTestCloud, type TestCloud } from './testing/cloud.ts';

let cloud: TestCloud;
let admin: string;
beforeAll(async () => {
  cloud = await startTestCloud({
    settings: {
      passwordRegex: '(?=.*[0-9])(?=.*[a-z]).{7,}',
      passwordRegexDescription: 'seven characters, a digit among them',
      passwordsUniqueLast: 2,
      passwordMinimumAgeDays: 0,
      passwordExpiresDays: 90,
      lockoutFailuresMax: 3,
      lockoutDurationS: 60,
      passwordCostLog2: 10,
    },
  });
  admin = await adminToken(cloud);
});
afterAll(() => cloud.close());

const create = (name: string, more: object = {}) =>
  call(cloud, 'POST', '/v3/users', {
    token: admin,
    body: { user: { name, password: 'first-1', ...more } },
  });
const post = (body: unknown, headers: Record<string, string> = {}) =>
  call(cloud, 'POST', '/v3/auth/tokens', { body, headers });
const change = (id: string, from: string, to: string) =>
  call(cloud, 'POST', `/v3/users/${id}/password`, {
    body: { user: { original_password: from, password: to } },
  });
const status = async (name: string, password: string) =>
  (await post(authBody({ name, password }))).status;

describe('RFC 6238', () => {
  it('gives the passcodes of its test vectors', () => {
    const secret = Buffer.from('12345678901234567890');
    expect(passcodeAt(secret, Math.floor(59 / 30))).toBe('287082');
    expect(passcodeAt(secret, Math.floor(1_111_111_109 / 30))).toBe('081804');
    expect(passcodeAt(secret, Math.floor(20_000_000_000 / 30))).toBe('353130');
    expect(decodeBase32('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ')).toEqual(secret);
    expect(decodeBase32('1')).toBeUndefined();
  });
});

describe('password rules', () => {
  it('are told and kept', async () => {
    const weak = await create('weak', { password: 'short' });
    expect(weak.status).toBe(400);
    expect(textAt(weak, 'error.message')).toContain('seven characters, a digit among them');
    const user = await create('ann');
    const id = textAt(user, 'user.id');
    expect(textAt(user, 'user.password_expires_at')).toMatch(/^\d{4}-\d\d-\d\dT.*\.000000$/);
    expect((await change(id, 'first-1', 'weak')).status).toBe(400);
    expect((await change(id, 'wrong-1', 'second-2')).status).toBe(401);
    expect((await change(id, 'first-1', 'second-2')).status).toBe(204);
    const again = await change(id, 'second-2', 'first-1');
    expect(again.status).toBe(400);
    expect(textAt(again, 'error.message')).toContain('cannot be identical to a previous password');
    expect((await change(id, 'second-2', 'third-3')).status).toBe(204);
    expect((await change(id, 'third-3', 'first-1')).status).toBe(204);
    expect(await status('ann', 'first-1')).toBe(201);
    expect(await status('ann', 'third-3')).toBe(401);
    const read = await call(cloud, 'GET', '/v3/domains/default/config/security_compliance', {
      token: admin,
    });
    expect(read.body.config).toMatchObject({
      security_compliance: { password_regex_description: 'seven characters, a digit among them' },
    });
  });

  it('lock who fails too often, but not who is exempt', async () => {
    await create('bob');
    for (let at = 0; at < 3; at++) expect(await status('bob', 'wrong')).toBe(401);
    expect(await status('bob', 'first-1')).toBe(401);
    await create('exempt', { options: { ignore_lockout_failure_attempts: true } });
    for (let at = 0; at < 4; at++) expect(await status('exempt', 'wrong')).toBe(401);
    expect(await status('exempt', 'first-1')).toBe(201);
    const id = textAt(
      await call(cloud, 'GET', '/v3/users?name=bob', { token: admin }),
      'users.0.id',
    );
    const body = { user: { enabled: true } };
    await call(cloud, 'PATCH', `/v3/users/${id}`, { token: admin, body });
    expect(await status('bob', 'first-1')).toBe(201);
  });

  it('leave a locked password to administrators', async () => {
    const id = textAt(await create('cat', { options: { lock_password: true } }), 'user.id');
    expect((await change(id, 'first-1', 'second-2')).status).toBe(400);
    const none = await create('dan', { options: { lock_passwords: true } });
    expect(none.status).toBe(400);
  });
});

describe('several factors', () => {
  const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
  let userId: string;
  beforeAll(async () => {
    const options = { multi_factor_auth_rules: [['password', 'totp']] };
    userId = textAt(await create('mia', { options }), 'user.id');
    const credential = { type: 'totp', blob: secret, user_id: userId };
    const made = await call(cloud, 'POST', '/v3/credentials', {
      token: admin,
      body: { credential },
    });
    expect(made.status).toBe(201);
  });
  const passcode = () =>
    passcodesNow(decodeBase32(secret) ?? Buffer.alloc(0), Date.parse(new Date(0).toISOString()), 0);
  // The clock is the machine's here, so the passcode of now is asked of it, too.
  const now = () => {
    const window = Math.floor(performance.timeOrigin / 30_000 + performance.now() / 30_000);
    return passcodeAt(decodeBase32(secret) ?? Buffer.alloc(0), window);
  };
  const totp = (code: string) => ({
    auth: { identity: { methods: ['totp'], totp: { user: { id: userId, passcode: code } } } },
  });

  it('are asked for one after the other, with a receipt between', async () => {
    expect(passcode()).toHaveLength(1);
    const first = await post(authBody({ name: 'mia', password: 'first-1' }));
    expect(first.status).toBe(401);
    expect(first.body).toMatchObject({
      receipt: { methods: ['password'], user: { id: userId } },
      required_auth_methods: [['password', 'totp']],
    });
    const receipt = String(first.headers['openstack-auth-receipt']);
    const headers = { 'openstack-auth-receipt': receipt };
    expect((await post(totp('000000'), headers)).status).toBe(401);
    const second = await post(totp(now()), headers);
    expect(second.status).toBe(201);
    expect(second.body.token).toMatchObject({ methods: ['totp', 'password'] });
  });

  it('are nobody else’s to complete, and no receipt is a token', async () => {
    const first = await post(authBody({ name: 'mia', password: 'first-1' }));
    const receipt = String(first.headers['openstack-auth-receipt']);
    const headers = { 'openstack-auth-receipt': receipt };
    // Alone, either factor is one factor.
    expect((await post(totp(now()))).status).toBe(401);
    await create('nat');
    const other = await post(authBody({ name: 'nat', password: 'first-1' }), headers);
    expect(other.status).toBe(404);
    const forged = { 'openstack-auth-receipt': `${receipt.slice(0, -2)}AA` };
    expect((await post(totp(now()), forged)).status).toBe(404);
    expect((await call(cloud, 'GET', '/v3/auth/projects', { token: receipt })).status).toBe(401);
    expect(await cloud.identity.validateToken(receipt)).toBeUndefined();
    // TempAuth knows of no second step, so it lets nobody in who needs one.
    expect(await cloud.identity.authenticatePassword('admin:mia', 'first-1')).toBeUndefined();
  });

  it('are guessed no more often than passwords', async () => {
    const first = await post(authBody({ name: 'mia', password: 'first-1' }));
    const headers = { 'openstack-auth-receipt': String(first.headers['openstack-auth-receipt']) };
    for (let at = 0; at < 3; at++) {
      await post(authBody({ name: 'mia', password: 'first-1' }));
      await post(totp('111111'), headers);
    }
    expect((await post(totp(now()), headers)).status).toBe(401);
  });
});
