/**
 * CPU of the two dialects alone, beside each other: the same requests handed to each handler over objects in memory, in turns, without HTTP.
 *
 *     node proxy/bench/dialect-cost-bench.ts [rounds]
 */
import aws4 from 'aws4';
import { createMetrics, defaultsOf, seededRandom, silentLogger, systemClock } from '#common';
import { cacheAuthenticator } from '../auth-cache.ts';
import type { Exchange, Handler } from '../exchange.ts';
import { createObjectService } from '../objects/index.ts';
import { createMemoryCluster } from '../objects/testing/memory-cluster.ts';
import { createPipeline } from '../pipeline.ts';
import { createS3Handler, s3Settings } from '../s3/index.ts';
import { blueKey, testAuthenticator } from '../s3/testing/s3-world.ts';
import { proxySettings } from '../settings.ts';
import { createSwiftHandler, swiftSettings } from '../swift/index.ts';

const rounds = Number(process.argv[2] ?? 15);
const perRound = 2000;
const body = Buffer.alloc(4096, 'x');
const cluster = createMemoryCluster(seededRandom(1));
const settings = defaultsOf(proxySettings);
const shared = { clock: systemClock, random: seededRandom(2), log: silentLogger, settings };
const objects = createObjectService({ tables: cluster.tables, blobs: cluster.blobs, ...shared });
const authenticator = cacheAuthenticator(testAuthenticator, systemClock, settings);
const metrics = createMetrics();
const refuse = async (status: number) => ({ status, headers: {} });
const piped = (dialect: string, handler: Handler) =>
  createPipeline({ ...shared, dialect, metrics, refuse }, handler);
const s3 = piped(
  's3',
  createS3Handler({ ...shared, objects, authenticator, metrics, settings: defaultsOf(s3Settings) }),
);
const swift = piped(
  'swift',
  createSwiftHandler({ ...shared, objects, authenticator, swift: defaultsOf(swiftSettings) }),
);

function exchange(
  method: string,
  url: string,
  headers: Record<string, string>,
  sent?: Buffer,
): Exchange {
  let isDone = sent === undefined;
  const wire = async function* () {
    isDone = true;
    if (sent) yield sent;
  };
  const whole = async () => {
    isDone = true;
    return sent ?? Buffer.alloc(0);
  };
  const named = Object.entries({
    ...headers,
    ...(sent ? { 'content-length': String(sent.length) } : {}),
  }).filter(([name]) => name.toLowerCase() !== 'content-length' || sent);
  return {
    ...{ method, url, secure: false, transactionId: 'tx', startedMs: 0 },
    headers: Object.fromEntries(named.map(([name, value]) => [name.toLowerCase(), value])),
    rawHeaders: named.flat(),
    body: {
      length: sent?.length ?? 0,
      get isDone() {
        return isDone;
      },
      whole,
      [Symbol.asyncIterator]: wire,
    },
  };
}

function signed(method: string, path: string, sent?: Buffer): Exchange {
  const asked = { host: 'localhost', service: 's3', region: 'us-east-1', method, path };
  const unhashed = { 'X-Amz-Content-Sha256': 'UNSIGNED-PAYLOAD' };
  const { headers } = aws4.sign(
    { ...asked, headers: unhashed },
    { accessKeyId: blueKey.accessKey, secretAccessKey: blueKey.secret },
  );
  const text = Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]);
  return exchange(method, path, Object.fromEntries(text), sent);
}

function withToken(method: string, path: string, sent?: Buffer): Exchange {
  const type = sent ? { 'content-type': 'application/octet-stream' } : {};
  const headers = { host: 'localhost', 'x-auth-token': 'token-blue', ...type };
  return exchange(method, `/v1/AUTH_blue${path}`, headers, sent);
}

async function costUs(handler: Handler, make: (at: number) => Exchange, status: number) {
  const exchanges = Array.from({ length: perRound }, (_, at) => make(at));
  const before = process.cpuUsage();
  for (const one of exchanges) {
    const reply = await handler(one);
    if (reply.status !== status) throw new Error(`answered ${reply.status}`);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / perRound;
}

const median = (values: number[]) =>
  values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

await s3(signed('PUT', '/bench'));
for (const [name, method, sent, ok] of [
  ['PUT 4 KiB', 'PUT', body, [201, 200]],
  ['GET 4 KiB', 'GET', undefined, [200, 200]],
] as const) {
  const [ofSwift, ofS3]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds + 2; round++) {
    const a = await costUs(swift, (at) => withToken(method, `/bench/o${at % 500}`, sent), ok[0]);
    const b = await costUs(s3, (at) => signed(method, `/bench/o${at % 500}`, sent), ok[1]);
    if (round < 2) continue;
    ofSwift.push(a);
    ofS3.push(b);
  }
  const [a, b] = [median(ofSwift), median(ofS3)];
  console.log(
    `${name}: swift ${a.toFixed(1)} µs, s3 ${b.toFixed(1)} µs, ${(b - a).toFixed(1)} more`,
  );
}
await objects.close();
