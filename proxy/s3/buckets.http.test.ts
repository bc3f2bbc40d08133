import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blueReader, redKey, type S3World, startS3World } from './testing/s3-world.ts';
import { type Call, send, texts } from './testing/signed-client.ts';

let world: S3World;
beforeAll(async () => {
  world = await startS3World();
});
afterAll(() => world.close());

const call = (method: string, path: string, rest: Partial<Call> = {}) =>
  send(world, { method, path, ...rest });

describe('making and removing buckets', () => {
  test('create, head, list, locate, remove', async () => {
    const created = await call('PUT', '/first-bucket');
    expect([created.status, created.headers.location]).toEqual([200, '/first-bucket']);
    expect((await call('HEAD', '/first-bucket')).status).toBe(200);
    expect(texts(await call('GET', '/'), 'Name')).toEqual(['first-bucket']);
    expect((await call('GET', '/first-bucket?location')).text).toContain(
      '<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>',
    );
    const versioning = await call('GET', '/first-bucket?versioning');
    expect(versioning.text).toMatch(/<VersioningConfiguration [^>]*><\/VersioningConfiguration>$/);
    expect(texts(await call('GET', '/first-bucket?acl'), 'Permission')).toEqual(['FULL_CONTROL']);
    expect((await call('DELETE', '/first-bucket')).status).toBe(204);
    expect((await call('HEAD', '/first-bucket')).status).toBe(404);
    expect((await call('GET', '/first-bucket')).code).toBe('NoSuchBucket');
    expect((await call('DELETE', '/first-bucket')).code).toBe('NoSuchBucket');
  });

  test('a name is taken once, by whomever', async () => {
    await call('PUT', '/taken-bucket');
    expect((await call('PUT', '/taken-bucket')).code).toBe('BucketAlreadyOwnedByYou');
    const other = await call('PUT', '/taken-bucket', { key: redKey });
    expect([other.status, other.code]).toEqual([409, 'BucketAlreadyExists']);
  });

  test('a location may be named, and must be XML of the right kind', async () => {
    const body = (inner: string) =>
      `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</CreateBucketConfiguration>`;
    const located = body('<LocationConstraint>eu-west-1</LocationConstraint>');
    expect((await call('PUT', '/located-bucket', { body: located })).status).toBe(200);
    for (const bad of ['<Wrong/>', 'no xml', body('<Loc'), '<!DOCTYPE a><a/>'])
      expect((await call('PUT', '/badly-located', { body: bad })).code).toBe('MalformedXML');
  });

  test.each(['ab', 'A-Upper', '-dash', 'dot..dot', '1.2.3.4', 'under_score', 'x'.repeat(64)])(
    'the name %s is refused',
    async (name) => {
      const answer = await call('PUT', `/${name}`);
      expect([answer.status, answer.code]).toEqual([400, 'InvalidBucketName']);
    },
  );

  test('a bucket with an object in it stays', async () => {
    await call('PUT', '/full-bucket');
    await call('PUT', '/full-bucket/object', { body: 'x' });
    expect((await call('DELETE', '/full-bucket')).code).toBe('BucketNotEmpty');
  });

  test('readers read, and write nothing', async () => {
    await call('PUT', '/read-only');
    await call('PUT', '/read-only/a', { body: 'x' });
    const reader = { key: blueReader };
    expect((await call('GET', '/read-only/a', reader)).text).toBe('x');
    expect((await call('PUT', '/read-only/b', { ...reader, body: 'x' })).code).toBe('AccessDenied');
    expect((await call('DELETE', '/read-only/a', reader)).code).toBe('AccessDenied');
    expect((await call('PUT', '/readers-own', reader)).code).toBe('AccessDenied');
  });

  test("another project's bucket, and nobody's request, are denied", async () => {
    await call('PUT', '/private-bucket');
    await call('PUT', '/private-bucket/a', { body: 'x' });
    for (const path of ['/private-bucket', '/private-bucket/a', '/private-bucket?acl']) {
      expect((await call('GET', path, { key: redKey })).code).toBe('AccessDenied');
      expect((await call('GET', path, { anonymous: true })).code).toBe('AccessDenied');
    }
    expect((await call('GET', '/', { anonymous: true })).code).toBe('AccessDenied');
  });

  test('what Swift opens to everybody, everybody reads', async () => {
    await call('PUT', '/open-bucket');
    await call('PUT', '/open-bucket/a', { body: 'x' });
    const setAcl = (acl: string) =>
      world.objects.containers.update('AUTH_blue', 'open-bucket', () => ({
        system: { 'read-acl': acl },
      }));
    await setAcl('.r:*');
    expect((await call('GET', '/open-bucket/a', { anonymous: true })).text).toBe('x');
    expect((await call('GET', '/open-bucket', { anonymous: true })).code).toBe('AccessDenied');
    await setAcl('.r:*,.rlistings');
    expect(texts(await call('GET', '/open-bucket', { anonymous: true }), 'Key')).toEqual(['a']);
    const put = await call('PUT', '/open-bucket/b', { anonymous: true, body: 'x' });
    expect((await call('DELETE', '/open-bucket', { key: redKey })).code).toBe('AccessDenied');
    expect(put.code).toBe('AccessDenied');
  });
});

test('what Swift grants another project, that project has, and no more', async () => {
  await call('PUT', '/granted-bucket');
  await world.objects.containers.update('AUTH_blue', 'granted-bucket', () => ({
    system: { 'write-acl': 'red:*' },
  }));
  const other = { key: redKey };
  expect((await call('PUT', '/granted-bucket/a', { ...other, body: 'x' })).status).toBe(200);
  // Who wrote an object owns it, and may read it; but none of the others.
  expect((await call('GET', '/granted-bucket/a', other)).text).toBe('x');
  await call('PUT', '/granted-bucket/ours', { body: 'x' });
  expect((await call('GET', '/granted-bucket/ours', other)).code).toBe('AccessDenied');
  expect((await call('GET', '/granted-bucket', other)).code).toBe('AccessDenied');
  expect((await call('DELETE', '/granted-bucket/a', other)).status).toBe(204);
  expect((await call('DELETE', '/granted-bucket', other)).code).toBe('AccessDenied');
});

describe('what is not served says so', () => {
  beforeAll(() => call('PUT', '/plain-bucket'));

  test.each([
    ['GET', '/plain-bucket?abac'],
    ['PUT', '/plain-bucket?metrics'],
    ['PUT', '/plain-bucket?replication'],
    ['GET', '/plain-bucket?session'],
    ['PUT', '/plain-bucket?intelligent-tiering'],
    ['GET', '/plain-bucket/key?torrent'],
    ['POST', '/plain-bucket/key?select'],
    ['PUT', '/plain-bucket/key?renameObject'],
  ])('%s %s', async (method, path) => {
    const answer = await call(method, path);
    expect([answer.status, answer.code]).toEqual([501, 'NotImplemented']);
  });

  test('a put at an offset', async () => {
    const headers = { 'x-amz-write-offset-bytes': '5' };
    const answer = await call('PUT', '/plain-bucket/key', { headers, body: 'x' });
    expect([answer.status, answer.code]).toEqual([501, 'NotImplemented']);
    expect((await call('HEAD', '/plain-bucket/key')).status).toBe(404);
  });

  test('methods that mean nothing', async () => {
    expect((await call('POST', '/plain-bucket/key')).code).toBe('MethodNotAllowed');
    expect((await call('PATCH', '/plain-bucket/key')).code).toBe('MethodNotAllowed');
    expect((await call('PUT', '/')).code).toBe('MethodNotAllowed');
  });
});

describe('error answers', () => {
  test('carry everything that clients look for', async () => {
    const answer = await call('GET', '/no-such-bucket/some%20key');
    expect(answer.status).toBe(404);
    expect(answer.headers['content-type']).toBe('application/xml');
    expect(texts(answer, 'Code')).toEqual(['NoSuchBucket']);
    expect(texts(answer, 'Resource')).toEqual(['/no-such-bucket/some%20key']);
    expect(texts(answer, 'RequestId')).toEqual([answer.headers['x-amz-request-id']]);
    expect(texts(answer, 'HostId')).toEqual([answer.headers['x-amz-id-2']]);
  });

  test('to HEAD have no body', async () => {
    const answer = await call('HEAD', '/no-such-bucket/key');
    expect([answer.status, answer.body.length]).toEqual([404, 0]);
  });

  test('a forged signature shows what should have been signed', async () => {
    const forged = { ...blueReader, secret: 'wrong' };
    const answer = await call('GET', '/', { key: forged });
    expect([answer.status, answer.code]).toEqual([403, 'SignatureDoesNotMatch']);
    expect(texts(answer, 'StringToSign')[0]).toContain('AWS4-HMAC-SHA256');
    expect(answer.text).not.toContain(blueReader.secret);
  });

  test.each([
    ['/bucket/%ff', 'InvalidURI'],
    ['/bucket/%00', 'InvalidURI'],
    ['/bucket/%zz', 'InvalidURI'],
    [`/bucket/${'k'.repeat(1025)}`, 'KeyTooLongError'],
    ['//key', 'InvalidBucketName'],
  ])('the path %s', async (path, code) => {
    const answer = await call('GET', path, { anonymous: true });
    expect([answer.status, answer.code]).toEqual([400, code]);
  });

  test('without a majority of replicas: 503, and nothing is claimed', async () => {
    const { Failure } = await import('#common');
    await call('PUT', '/quorum-bucket');
    world.cluster.fault = (operation) => {
      if (operation === 'put') throw new Failure('unreachable', 'no-quorum', 'staged');
    };
    const answer = await call('PUT', '/quorum-bucket/a', { body: 'x' });
    world.cluster.fault = () => undefined;
    expect([answer.status, answer.code]).toEqual([503, 'SlowDown']);
  });
});

test('buckets can be addressed by host name', async () => {
  const virtual = await startS3World({ s3: { baseDomains: 's3.example,other.example' } });
  try {
    const to = (method: string, path: string, bucket: string, body?: string) =>
      send(virtual, {
        method,
        path,
        headers: { host: `${bucket}.s3.example:8080` },
        ...(body === undefined ? {} : { body }),
      });
    expect((await to('PUT', '/', 'by-host')).status).toBe(200);
    expect((await to('PUT', '/key/with/slashes', 'by-host', 'hello')).status).toBe(200);
    expect(texts(await to('GET', '/', 'by-host'), 'Key')).toEqual(['key/with/slashes']);
    const byPath = await send(virtual, { path: '/by-host/key/with/slashes' });
    expect(byPath.text).toBe('hello');
  } finally {
    await virtual.close();
  }
});
