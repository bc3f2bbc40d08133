/** One address and one certificate serve the whole cloud, to clients that trust its authority and to nobody else. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, runOk, TestCloud } from '../support/cloud.ts';

let cloud: TestCloud;
let env: Record<string, string>;
let api: string;
beforeAll(async () => {
  cloud = await TestCloud.start('one-address', 'api:\n  tls: true\n');
  ({ api = '' } = cloud.info.endpoints as Record<string, string>);
  const openrc = fs.readFileSync(join(cloud.data, 'openrc'), 'utf8');
  env = Object.fromEntries(
    [...openrc.matchAll(/^export (\w+)='(.*)'$/gm)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  );
});
afterAll(() => cloud.remove());

const client = (program: string, ...args: string[]) => runOk(program, args, { env });

describe('one address', () => {
  it('is where the catalog sends clients, for identity, images and objects alike', async () => {
    const catalog = await client('openstack', 'catalog', 'list', '-f', 'value', '-c', 'Endpoints');
    const urls = [...catalog.matchAll(/'url': '([^']+)'/g)].map(([, url]) => url ?? '');
    expect(urls.length).toBeGreaterThan(10);
    expect(urls.filter((url) => !url.startsWith(`${api}/`))).toEqual([]);
    await client('swift', 'upload', 'first', 'package.json');
    expect(await client('swift', 'list', 'first')).toBe('package.json\n');
    expect(await client('openstack', 'image', 'list', '-f', 'json')).toContain('[');
  });

  it('verifies S3 signatures of paths below a prefix', async () => {
    const s3 = (...args: string[]) => client('aws', '--endpoint-url', `${api}/s3`, 's3', ...args);
    await s3('mb', 's3://second');
    await s3('cp', 'package.json', 's3://second/a key/with +signs');
    const copy = await s3('cp', 's3://second/a key/with +signs', '-');
    expect(copy).toBe(fs.readFileSync('package.json', 'utf8'));
    const presigned = (await s3('presign', 's3://second/a key/with +signs')).trim();
    expect(await client('curl', '-sf', '--cacert', env.OS_CACERT ?? '', presigned)).toBe(copy);
  });

  it('tells where an object that was put together can be fetched', async () => {
    const script = [
      'import boto3, sys',
      "s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')",
      "at = {'Bucket': 'second', 'Key': 'put together'}",
      "at['UploadId'] = s3.create_multipart_upload(**at)['UploadId']",
      "part = s3.upload_part(PartNumber=1, Body=b'x', **at)",
      "parts = {'Parts': [{'PartNumber': 1, 'ETag': part['ETag']}]}",
      "print(s3.complete_multipart_upload(MultipartUpload=parts, **at)['Location'])",
    ];
    const told = await client('python3', '-W', 'ignore', '-c', script.join('\n'), `${api}/s3`);
    expect(told.trim()).toBe(`${api}/s3/second/put%20together`);
  });

  it('is nothing to clients that do not trust it, or speak plain HTTP', async () => {
    const distrusting = await run('curl', ['-s', `${api}/identity/v3`], {
      env: { CURL_CA_BUNDLE: '' },
    });
    expect(distrusting.code).toBe(60);
    const plain = await run('curl', [
      '-s',
      '--max-time',
      '5',
      `${api.replace('https', 'http')}/identity/v3`,
    ]);
    expect(plain.code).not.toBe(0);
  });

  it('tells operators what the cloud did', async () => {
    const lines = await cloud.pileus(['audit', '--action', 'POST /v3/auth/tokens', '--json']);
    expect(JSON.parse(lines)).not.toEqual([]);
    expect(await cloud.pileus(['operation', 'list', '--json'])).toContain('[');
    expect(await cloud.pileus(['events'])).toBeDefined();
  });
});
