/**
 * What each stage of the Swift pipeline costs a request: the chain with that stage less the chain with none, over a core that answers
 * at once. A PUT and a GET of an object by its owner, nothing special about either.
 *
 *     node proxy/bench/stages-bench.ts
 */
import { defaultsOf, seededRandom, silentLogger, systemClock } from '#common';
import { createObjectService } from '../objects/index.ts';
import { createMemoryCluster } from '../objects/testing/memory-cluster.ts';
import { proxySettings } from '../settings.ts';
import { accessRules, type Caller } from '../swift/access.ts';
import { composeStages, stageNames } from '../swift/pipeline.ts';
import { defaultPipeline, swiftSettings } from '../swift/settings.ts';
import { parsePolicies } from '../swift/storage-policies.ts';
import { subRequest } from '../swift/sub-request.ts';
import type { SwiftRequest, SwiftServices } from '../swift/swift-request.ts';
import { createTestAuthenticator } from '../testing/front-door.ts';

const rounds = 200_000;
const account = 'AUTH_id-demo';
const settings = defaultsOf(proxySettings);
const cluster = createMemoryCluster(seededRandom(1));
const objects = createObjectService({
  ...cluster,
  clock: systemClock,
  random: seededRandom(2),
  log: silentLogger,
  settings,
});
await objects.containers.create({ account, name: 'c' });
const authenticator = createTestAuthenticator();
const identity = await authenticator.validateToken('token-alice');

function servicesWith(pipeline: string): SwiftServices {
  const swift = { ...defaultsOf(swiftSettings), pipeline };
  return {
    objects,
    authenticator,
    clock: systemClock,
    log: silentLogger,
    settings,
    swift,
    rules: accessRules(swift),
    policies: parsePolicies(swift),
    offers: new Set(stageNames(swift)),
  };
}

function requestOf(method: string, { rules }: SwiftServices): SwiftRequest {
  const caller: Caller = {
    identity,
    service: undefined,
    referer: undefined,
    rules,
    rights: new Map(),
  };
  const exchange = { url: `/v1/${account}/c/o`, transactionId: 'tx', startedMs: 0, secure: false };
  const outer = {
    exchange,
    query: new Map(),
    caller,
    path: { account },
  } as unknown as SwiftRequest;
  const headers = { 'x-auth-token': 'token', 'content-type': 'text/plain' };
  return subRequest(outer, { method, path: { account, container: 'c', object: 'o' }, headers });
}

async function costOf(pipeline: string, method: string): Promise<number> {
  const services = servicesWith(pipeline);
  const answer = { status: 200, headers: { Etag: '5d41402abc4b2a76b9719d911017c592' } };
  const handle = composeStages(services, async () => answer);
  const request = requestOf(method, services);
  for (let n = 0; n < 20_000; n++) await handle(request);
  const before = process.cpuUsage();
  for (let n = 0; n < rounds; n++) await handle(request);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / rounds;
}

console.log('| Stage | PUT, µs | GET, µs |\n|---|---|---|');
const base = { PUT: await costOf('', 'PUT'), GET: await costOf('', 'GET') };
for (const pipeline of [...defaultPipeline.split(' '), defaultPipeline]) {
  const put = (await costOf(pipeline, 'PUT')) - base.PUT;
  const get = (await costOf(pipeline, 'GET')) - base.GET;
  const name = pipeline === defaultPipeline ? 'all of the default pipeline' : `\`${pipeline}\``;
  console.log(`| ${name} | ${Math.max(0, put).toFixed(2)} | ${Math.max(0, get).toFixed(2)} |`);
}
process.exit(0);
