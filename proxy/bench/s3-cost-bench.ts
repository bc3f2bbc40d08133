/** CPU of the S3 dialect alone: signed requests handed to the handler over objects in memory, and of verifying a signature. */
import aws4 from 'aws4';
import { createMetrics, defaultsOf, seededRandom, silentLogger, systemClock } from '#common';
import type { Exchange } from '../exchange.ts';
import { createObjectService } from '../objects/index.ts';
import { createMemoryCluster } from '../objects/testing/memory-cluster.ts';
import { createS3Handler, s3Settings } from '../s3/index.ts';
import { parseQuery } from '../s3/query.ts';
import { readHead } from '../s3/request-head.ts';
import { authenticate } from '../s3/sigv4/authenticate.ts';
import { SigningKeys } from '../s3/sigv4/signing-key.ts';
import { blueKey, testAuthenticator } from '../s3/testing/s3-world.ts';
import { proxySettings } from '../settings.ts';

const cluster = createMemoryCluster(seededRandom(1));
const shared = { clock: systemClock, random: seededRandom(2), log: silentLogger };
const objects = createObjectService({
  tables: cluster.tables,
  blobs: cluster.blobs,
  settings: defaultsOf(proxySettings),
  ...shared,
});
const handler = createS3Handler({
  objects,
  authenticator: testAuthenticator,
  settings: defaultsOf(s3Settings),
  metrics: createMetrics(),
  ...shared,
});

function signed(method: string, path: string, body?: Buffer): Exchange {
  const request = aws4.sign(
    {
      host: 'localhost',
      service: 's3',
      region: 'us-east-1',
      method,
      path,
      ...(body ? { body } : {}),
    },
    { accessKeyId: blueKey.accessKey, secretAccessKey: blueKey.secret },
  );
  const rawHeaders = Object.entries(request.headers ?? {}).flatMap(([name, value]) => [
    name,
    String(value),
  ]);
  const headers = Object.fromEntries(
    Object.entries(request.headers ?? {}).map(([name, value]) => [
      name.toLowerCase(),
      String(value),
    ]),
  );
  const wire = async function* () {
    if (body) yield body;
  };
  return {
    ...{ method, url: path, headers, rawHeaders, secure: false, transactionId: 'tx', startedMs: 0 },
    body: Object.assign(wire(), { whole: async () => body ?? Buffer.alloc(0) }) as never,
  };
}

async function cost(name: string, times: number, work: (at: number) => unknown): Promise<void> {
  for (let at = 0; at < times / 10; at++) await work(at);
  const before = process.cpuUsage();
  for (let at = 0; at < times; at++) await work(at);
  const { user, system } = process.cpuUsage(before);
  console.log(`${name}: ${((user + system) / times).toFixed(1)} µs`);
}

const answer = await handler(signed('PUT', '/bench'));
if (answer.status !== 200) throw new Error(`no bucket: ${answer.status}`);
const body = Buffer.alloc(4096, 'x');
const times = 20_000;
const puts = Array.from({ length: times }, (_, at) => signed('PUT', `/bench/o${at % 1000}`, body));
const gets = Array.from({ length: times }, (_, at) => signed('GET', `/bench/o${at % 1000}`));
await cost('PUT 4 KiB', times * 0.9, (at) => handler(puts[at] ?? signed('PUT', '/bench/o', body)));
await cost('GET 4 KiB', times * 0.9, (at) => handler(gets[at] ?? signed('GET', '/bench/o')));
const options = {
  ...{ authenticator: testAuthenticator, clock: systemClock, keys: new SigningKeys(100) },
  ...{ clockSkewMaxS: 900, region: '', baseDomains: [] },
};
const heads = gets.map(({ method, url, rawHeaders }) => readHead(method, url, rawHeaders));
await cost('verifying a signature', times, (at) => {
  const head = heads[at % heads.length];
  return head && authenticate(head, parseQuery(head.query), options);
});
await objects.close();
