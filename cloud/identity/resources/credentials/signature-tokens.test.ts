import { createHash } from 'node:crypto';
import { sign } from 'aws4';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Account } from '../../accounts.ts';
import { adminToken, call, logIn } from '../../testing/client.ts';
import { startTestCloud, type TestCloud } from '../../testing/cloud.ts';
import { signatureOf } from './signature-tokens.ts';

let cloud: TestCloud;
let admin: string;
let ann: Account;
let keys: { accessKeyId: string; secretAccessKey: string };
beforeAll(async () => {
  cloud = await startTestCloud();
  admin = await adminToken(cloud);
  ann = await cloud.identity.createUser({ project: 'site', name: 'ann', password: 'a', s3: true });
  keys = { accessKeyId: ann.s3?.accessKey ?? '', secretAccessKey: ann.s3?.secretKey ?? '' };
});
afterAll(() => cloud.close());

const ask = (path: string, credentials: object, token = admin) =>
  call(cloud, 'POST', path, { token, body: { credentials } });

describe('s3tokens', () => {
  // From the documentation of signature version 4 in S3: "GET Object", with its published example key.
  const example = [
    'AWS4-HMAC-SHA256',
    '20130524T000000Z',
    '20130524/us-east-1/s3/aws4_request',
    '7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972',
  ].join('\n');

  it('computes the published signature', () => {
    expect(signatureOf(Buffer.from(example), 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY')).toBe(
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    );
    expect(signatureOf(Buffer.from(example.replace('/s3/', '/iam/')), 'x')).toBeUndefined();
    expect(signatureOf(Buffer.from(`${example}\nmore`), 'x')).toBeUndefined();
  });

  it('says who signed, without a token to act as that user', async () => {
    for (const text of [example, 'GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\n/bucket/object']) {
      const token = Buffer.from(text).toString('base64url');
      const signature = signatureOf(Buffer.from(text), keys.secretAccessKey);
      const answer = await ask('/v3/s3tokens', { access: keys.accessKeyId, signature, token });
      expect(answer.status, answer.text).toBe(200);
      expect(answer.body).toMatchObject({
        token: { user: { name: 'ann' }, project: { name: 'site' }, methods: ['ec2credential'] },
      });
      expect(answer.headers['x-subject-token']).toBeUndefined();
      const forged = await ask('/v3/s3tokens', {
        access: keys.accessKeyId,
        signature: `${signature?.slice(0, -1)}0`,
        token: `${token}x`,
      });
      expect(forged.status).toBe(401);
    }
    const unknown = await ask('/v3/s3tokens', { access: 'NOBODY', signature: 'x', token: 'eA==' });
    expect(unknown.status).toBe(401);
  });

  it('answers services and administrators only', async () => {
    const credentials = { access: keys.accessKeyId, signature: 'x', token: 'eA==' };
    const tenant = await logIn(cloud, { name: 'ann', password: 'a' });
    for (const path of ['/v3/s3tokens', '/v3/ec2tokens']) {
      expect((await ask(path, credentials, tenant)).status).toBe(403);
      expect((await call(cloud, 'POST', path, { body: { credentials } })).status).toBe(401);
    }
    await cloud.identity.createUser({
      project: 'service',
      name: 'gateway',
      password: 'g',
      role: 'service',
    });
    const service = await logIn(cloud, { name: 'gateway', password: 'g' });
    expect((await ask('/v3/s3tokens', credentials, service)).status).toBe(401);
  });
});

describe('ec2tokens', () => {
  const body = 'Action=DescribeInstances&Version=2013-10-15';
  const signedRequest = (date?: string) => {
    const headers: Record<string, string> = {
      'Content-Type': 'application/x-www-form-urlencoded',
      ...(date === undefined ? {} : { 'X-Amz-Date': date }),
    };
    const request = {
      host: 'ec2.local:8788',
      service: 'ec2',
      region: 'r1',
      path: '/',
      method: 'POST',
      headers,
      body,
    };
    const signed = sign(request, keys).headers ?? {};
    const signature = /Signature=(\w+)/.exec(String(signed.Authorization))?.[1] ?? '';
    const texts = Object.fromEntries(
      Object.entries(signed).map(([name, value]) => [name, String(value)]),
    );
    return {
      access: keys.accessKeyId,
      signature,
      host: 'ec2.local:8788',
      verb: 'POST',
      path: '/',
      params: {},
      headers: texts,
      body_hash: createHash('sha256').update(body).digest('hex'),
    };
  };

  it('gives a token for a request that another library signed', async () => {
    const answer = await ask('/v3/ec2tokens', signedRequest());
    expect(answer.status, answer.text).toBe(200);
    expect(answer.body).toMatchObject({ token: { user: { name: 'ann' } } });
    const token = String(answer.headers['x-subject-token']);
    expect((await cloud.identity.validateToken(token))?.scope).toMatchObject({ name: 'site' });
  });

  it('refuses one that was changed, or is old', async () => {
    const good = signedRequest();
    for (const changed of [
      { ...good, verb: 'GET' },
      { ...good, path: '/other' },
      { ...good, host: 'elsewhere' },
      { ...good, body_hash: 'e3b0' },
      { ...good, headers: {} },
      { ...good, headers: { ...good.headers, 'Content-Type': 'text/plain' } },
      { ...good, signature: good.signature.replace(/^./, (digit) => (digit === '0' ? '1' : '0')) },
      signedRequest('20200101T000000Z'),
    ])
      expect((await ask('/v3/ec2tokens', changed)).status).toBe(401);
  });
});
