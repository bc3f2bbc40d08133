/** What buckets have done for them: lifecycle rules (a day lasts a second here), inventories, notifications, logs, web sites. */
import * as http from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type S3World, startS3World } from './testing/s3-world.ts';
import { type Answer, type Call, send, sendRaw, texts } from './testing/signed-client.ts';

let world: S3World;
let hook: http.Server;
const heard: { name: string; key: string; id: string }[] = [];

beforeAll(async () => {
  hook = http.createServer((request, response) => {
    let text = '';
    request.on('data', (piece) => {
      text += piece;
    });
    request.on('end', () => {
      const [record] = JSON.parse(text).Records;
      const { configurationId, object } = record.s3;
      heard.push({ name: record.eventName, key: object.key, id: configurationId });
      response.end();
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  const address = hook.address();
  const port = typeof address === 'object' ? address?.port : 0;
  world = await startS3World({
    s3: {
      lifecycleDayS: 1,
      lifecycleRestS: 1,
      websiteDomains: 'web.test',
      notificationTargets: `hook=http://127.0.0.1:${port}/`,
    },
  });
});
afterAll(async () => {
  await world.close();
  hook.close();
});

const call = (method: string, path: string, more: Partial<Call> = {}): Promise<Answer> =>
  send(world, { method, path, ...more });

async function put(path: string, body = '', headers: Record<string, string> = {}): Promise<void> {
  const answer = await call('PUT', path, { body, headers });
  expect(answer.text).toBe('');
  expect(answer.status).toBe(200);
}

/** Until it holds: background work takes its time, on a busy machine more. */
const eventually = (check: () => Promise<void> | void) =>
  vi.waitFor(check, { timeout: 30_000, interval: 200 });

const names = async (path: string) => texts(await call('GET', path), 'Key');

describe('lifecycle', { timeout: 60_000 }, () => {
  const rule = (inner: string) =>
    `<LifecycleConfiguration><Rule><ID>r</ID><Status>Enabled</Status>${inner}</Rule></LifecycleConfiguration>`;

  test('expires by prefix, tag and size, and leaves the others', async () => {
    await put('/expire');
    await put('/expire/old/a');
    await put('/expire/old/tagged', 'x', { 'x-amz-tagging': 'keep=no' });
    await put('/expire/old/long', 'a longer one', { 'x-amz-tagging': 'keep=no' });
    await put('/expire/new/tagged', 'x', { 'x-amz-tagging': 'keep=no' });
    const filter =
      '<And><Prefix>old/</Prefix><Tag><Key>keep</Key><Value>no</Value></Tag><ObjectSizeLessThan>5</ObjectSizeLessThan></And>';
    const document = rule(`<Filter>${filter}</Filter><Expiration><Days>1</Days></Expiration>`);
    await put('/expire?lifecycle', document);
    await eventually(async () =>
      expect(await names('/expire')).toEqual(['new/tagged', 'old/a', 'old/long']),
    );
  });

  test('older versions go, the newest of them kept; then markers that hide nothing', async () => {
    await put('/older');
    await put(
      '/older?versioning',
      '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
    );
    for (const body of ['1', '2', '3', '4']) await put('/older/o', body);
    await put('/older/gone', '1');
    await call('DELETE', '/older/gone');
    const document = rule(
      '<Filter/><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration>',
    );
    await put('/older?lifecycle', document);
    await eventually(async () =>
      expect(await names('/older?versions')).toEqual(['gone', 'gone', 'o', 'o']),
    );
    const all = rule(
      '<Filter/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>',
    );
    await put('/older?lifecycle', all);
    await eventually(async () => expect(await names('/older?versions')).toEqual(['o']));
  });

  test('where versions are kept an expired object gets a marker; unfinished uploads are aborted; classes change', async () => {
    await put('/marked');
    await put(
      '/marked?versioning',
      '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>',
    );
    await put('/marked/o');
    await put('/marked/moved/o');
    await call('POST', '/marked/u?uploads');
    const document = `<LifecycleConfiguration>
      <Rule><ID>a</ID><Status>Enabled</Status><Filter><Prefix>o</Prefix></Filter><Expiration><Days>1</Days></Expiration></Rule>
      <Rule><ID>b</ID><Status>Enabled</Status><Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>
      <Rule><ID>c</ID><Status>Enabled</Status><Filter><Prefix>moved/</Prefix></Filter><Transition><Days>1</Days><StorageClass>STANDARD_IA</StorageClass></Transition></Rule>
    </LifecycleConfiguration>`;
    await put('/marked?lifecycle', document);
    await eventually(async () => {
      expect((await call('HEAD', '/marked/o')).headers['x-amz-delete-marker']).toBe('true');
      expect(texts(await call('GET', '/marked?uploads'), 'UploadId')).toEqual([]);
      const head = await call('HEAD', '/marked/moved/o');
      expect(head.headers['x-amz-storage-class']).toBe('STANDARD_IA');
    });
  });
});

test('an inventory is written when it is put, and says what is there', {
  timeout: 60_000,
}, async () => {
  await put('/stock');
  await put('/reports');
  await put('/stock/a%20b', 'hello');
  await put('/stock/c', 'x');
  const document = `<InventoryConfiguration><Id>all</Id><IsEnabled>true</IsEnabled>
    <IncludedObjectVersions>Current</IncludedObjectVersions><Schedule><Frequency>Daily</Frequency></Schedule>
    <Destination><S3BucketDestination><Format>CSV</Format><Bucket>arn:aws:s3:::reports</Bucket><Prefix>inv</Prefix></S3BucketDestination></Destination>
    <OptionalFields><Field>Size</Field><Field>ETag</Field></OptionalFields></InventoryConfiguration>`;
  await put('/stock?inventory&id=all', document);
  await eventually(async () => {
    const keys = await names('/reports');
    expect(keys.filter((key) => key.endsWith('manifest.json')).length).toBe(1);
  });
  const keys = await names('/reports');
  const manifest = keys.find((key) => key.endsWith('manifest.json')) ?? '';
  const { files, fileSchema } = JSON.parse((await call('GET', `/reports/${manifest}`)).text);
  expect(fileSchema).toBe('Bucket, Key, Size, ETag');
  const data = await call('GET', `/reports/${files[0].key}`);
  expect(gunzipSync(data.body).toString().split('\n')).toEqual([
    '"stock","a+b","5","5d41402abc4b2a76b9719d911017c592"',
    '"stock","c","1","9dd4e461268c8034f5c8564e155c67a6"',
    '',
  ]);
  const listed = await call('GET', '/stock?inventory');
  expect(texts(listed, 'Id')).toEqual(['all']);
});

test('notifications reach their webhook, those that were asked for', async () => {
  await put('/events');
  const about = (target: string) =>
    `<NotificationConfiguration><TopicConfiguration><Id>n</Id><Topic>${target}</Topic><Event>s3:ObjectCreated:*</Event><Event>s3:ObjectRemoved:Delete</Event><Filter><S3Key><FilterRule><Name>suffix</Name><Value>.jpg</Value></FilterRule></S3Key></Filter></TopicConfiguration></NotificationConfiguration>`;
  const nowhere = await call('PUT', '/events?notification', {
    body: about('arn:aws:sns:::nobody'),
  });
  expect(nowhere.code).toBe('InvalidArgument');
  await put('/events?notification', about('arn:aws:sns:::hook'));
  await put('/events/a.jpg');
  await put('/events/a.txt');
  await call('DELETE', '/events/a.jpg');
  await eventually(() =>
    expect(heard).toEqual([
      { name: 'ObjectCreated:Put', key: 'a.jpg', id: 'n' },
      { name: 'ObjectRemoved:Delete', key: 'a.jpg', id: 'n' },
    ]),
  );
});

describe('a bucket as a web site', () => {
  const visit = (path: string, method = 'GET') =>
    sendRaw(world, { method, path, headers: { host: 'site.web.test' } });

  beforeAll(async () => {
    await put('/site', '', { 'x-amz-acl': 'public-read' });
    const open = { 'x-amz-acl': 'public-read', 'content-type': 'text/html' };
    await put('/site/index.html', 'home', open);
    await put('/site/sub/index.html', 'sub', open);
    await put('/site/error.html', 'sorry', open);
    await put('/site/elsewhere', '', { ...open, 'x-amz-website-redirect-location': '/sub/' });
    await put('/site/private', 'x');
    await put(
      '/site?website',
      `<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument><ErrorDocument><Key>error.html</Key></ErrorDocument><RoutingRules>
      <RoutingRule><Condition><KeyPrefixEquals>old/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith><HttpRedirectCode>302</HttpRedirectCode></Redirect></RoutingRule>
      <RoutingRule><Condition><KeyPrefixEquals>lost/</KeyPrefixEquals><HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition><Redirect><HostName>example.org</HostName><ReplaceKeyWith>found</ReplaceKeyWith></Redirect></RoutingRule>
      </RoutingRules></WebsiteConfiguration>`,
    );
  });

  test.each([
    ['/', 200, 'home', undefined],
    ['/sub/', 200, 'sub', undefined],
    ['/sub', 302, '', '/sub/'],
    ['/elsewhere', 301, '', '/sub/'],
    ['/old/page', 302, '', 'http://site.web.test/new/page'],
    ['/lost/page', 301, '', 'http://example.org/found'],
    ['/nothing', 404, 'sorry', undefined],
    ['/private', 403, 'sorry', undefined],
  ])('%s', async (path, status, text, location) => {
    const answer = await visit(path);
    expect([answer.status, answer.text, answer.headers.location]).toEqual([status, text, location]);
  });

  test('nothing is written there, and other names are nobody', async () => {
    expect((await visit('/new', 'PUT')).status).toBe(405);
    const other = await sendRaw(world, {
      method: 'GET',
      path: '/',
      headers: { host: 'none.web.test' },
    });
    expect([other.status, other.headers['content-type']]).toEqual([
      404,
      'text/html; charset=utf-8',
    ]);
  });
});

test('accesses are written into the target bucket, hostile headers on one line', async () => {
  const own = await startS3World();
  try {
    await send(own, { method: 'PUT', path: '/logged' });
    await send(own, { method: 'PUT', path: '/logs' });
    const body =
      '<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>p/</TargetPrefix></LoggingEnabled></BucketLoggingStatus>';
    expect((await send(own, { method: 'PUT', path: '/logged?logging', body })).status).toBe(200);
    const headers = { 'user-agent': 'odd "agent"' };
    await send(own, { method: 'PUT', path: '/logged/a', body: 'x', headers });
    await send(own, { path: '/logged/missing' });
    await send(own, { path: '/logged/a?versionId=%0Aforged%20line' });
    await send(own, { path: '/logged?versioning' });
    await own.flushLogs();
    const [key] = texts(await send(own, { path: '/logs' }), 'Key');
    const lines = (await send(own, { path: `/logs/${key}` })).text.trim().split('\n');
    const shown = lines.map((line) => /(REST\S+) (\S+) .* (\d{3}) (\S+) /.exec(line)?.slice(1));
    expect(shown).toContainEqual(['REST.PUT.OBJECT', 'a', '200', '-']);
    expect(shown).toContainEqual(['REST.GET.OBJECT', 'missing', '404', 'NoSuchKey']);
    expect(shown).toContainEqual(['REST.GET.VERSIONING', '-', '200', '-']);
    expect(lines.filter((line) => line.includes('odd ?agent?')).length).toBe(1);
    expect(lines.filter((line) => !line.includes(' logged ['))).toEqual([]);
  } finally {
    await own.close();
  }
});

test('access logs by account, region, bucket and day', async () => {
  const own = await startS3World();
  try {
    await send(own, { method: 'PUT', path: '/parted' });
    await send(own, { method: 'PUT', path: '/logs' });
    const format =
      '<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat>';
    const body = `<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>p/</TargetPrefix>${format}</LoggingEnabled></BucketLoggingStatus>`;
    const put = { method: 'PUT', path: '/parted?logging', body };
    expect((await send(own, put)).status).toBe(200);
    const { text } = await send(own, { path: '/parted?logging' });
    expect(text).toContain(format);
    await own.flushLogs();
    const [key] = texts(await send(own, { path: '/logs' }), 'Key');
    expect(key).toMatch(
      /^p\/[\w-]+\/us-east-1\/parted\/\d{4}\/\d\d\/\d\d\/[\d-]{10}-00-00-00-[0-9A-F]{16}$/,
    );
  } finally {
    await own.close();
  }
});
