/** The Swift dialect: what is addressed and the method lead to an operation; its failures become Swift's answers. */
import type { Logger, Random } from '#common';
import type { Exchange, Handler, Reply } from '../exchange.ts';
import { accessRules, type Caller, isOwner } from './access.ts';
import { learnRight } from './account-acl.ts';
import { startAccountReaper } from './account-reaper.ts';
import { deleteAccount, getAccount, postAccount, putAccount } from './accounts.ts';
import { allowedMethods } from './allowed-methods.ts';
import { deleteObject, postObject } from './change-object.ts';
import { deleteContainer, getContainer, postContainer, putContainer } from './containers.ts';
import { startExpirer } from './expirer.ts';
import { getObject } from './get-object.ts';
import { createHostNames } from './host-names.ts';
import { composeStages, stageNames } from './pipeline.ts';
import { putObject } from './put-object.ts';
import { page, refusal, renderFailure, textReply } from './refusal.ts';
import { createServiceEndpoints } from './service-endpoints.ts';
import { parsePolicies } from './storage-policies.ts';
import { parsePath, parseQuery } from './swift-path.ts';
import {
  type ContainerRequest,
  headerOf,
  isContainerRequest,
  isObjectRequest,
  type ObjectRequest,
  type Operation,
  type SwiftRequest,
  type SwiftServices,
} from './swift-request.ts';
import { startSyncWorker } from './sync-worker.ts';

type Routes<R extends SwiftRequest> = Readonly<Record<string, Operation<R>>>;

const accountRoutes: Routes<SwiftRequest> = {
  GET: getAccount,
  HEAD: getAccount,
  PUT: putAccount,
  POST: postAccount,
  DELETE: deleteAccount,
};
const containerRoutes: Routes<ContainerRequest> = {
  GET: getContainer,
  HEAD: getContainer,
  PUT: putContainer,
  POST: postContainer,
  DELETE: deleteContainer,
};
const objectRoutes: Routes<ObjectRequest> = {
  GET: getObject,
  HEAD: getObject,
  PUT: putObject,
  POST: postObject,
  DELETE: deleteObject,
};

export type SwiftHandlerOptions = Pick<
  SwiftServices,
  'objects' | 'authenticator' | 'clock' | 'log' | 'settings' | 'swift'
> & { readonly log: Logger };

function servicesOf(options: SwiftHandlerOptions): SwiftServices {
  const { swift } = options;
  return {
    ...options,
    rules: accessRules(swift),
    policies: parsePolicies(swift, options.settings.erasurePolicies),
    offers: new Set(stageNames(swift)),
  };
}

/** What goes on beside requests; nothing, unless settings ask for it. */
export function startSwiftWorkers(
  options: SwiftHandlerOptions,
  random: Random,
): { close(): Promise<void> } {
  const services = servicesOf(options);
  const workers = [
    startSyncWorker(services, random),
    startAccountReaper(services),
    startExpirer(services),
  ];
  return {
    close: async () => {
      await Promise.all(workers.map((worker) => worker?.stop()));
    },
  };
}

export function createSwiftHandler(options: SwiftHandlerOptions): Handler {
  const services = servicesOf(options);
  const serve = createServe(services);
  return async (exchange) => {
    let reply: Reply;
    try {
      reply = await serve(exchange);
    } catch (error) {
      exchange.failure = error;
      reply = renderFailure(error);
      if (reply.status === 500)
        options.log.error({ err: error, transaction: exchange.transactionId }, 'request failed');
    }
    const { transactionId } = exchange;
    const headers = {
      ...reply.headers,
      'X-Trans-Id': transactionId,
      'X-Openstack-Request-Id': transactionId,
    };
    return reply.body === undefined
      ? { status: reply.status, headers }
      : { status: reply.status, headers, body: reply.body };
  };
}

function createServe(services: SwiftServices): Handler {
  const handle = composeStages(services, (request) => dispatch(request, services));
  const byHostName = createHostNames(services);
  const serveEndpoint = createServiceEndpoints(services);
  const serve: Handler = async (exchange) => {
    const { url } = exchange;
    const question = url.indexOf('?');
    const parsed = parsePath(question < 0 ? url : url.slice(0, question));
    if (parsed.is === 'undecodable') return textReply(412, 'Invalid UTF8 or contains NULL');
    if (parsed.is === 'malformed') return textReply(412, 'Bad URL');
    const query = parseQuery(question < 0 ? '' : url.slice(question + 1));
    if (query === undefined) throw refusal('bad-request', 'parameters not valid UTF-8');
    if (parsed.is === 'other') return await serveEndpoint({ name: parsed.name, exchange, query });
    const { path } = parsed;
    exchange.account = path.account;
    const caller = await identify(exchange, services);
    if (caller.identity !== undefined && !isOwner(caller, path.account))
      await learnRight(caller, path.account, services);
    return await handle({ exchange, path, query, caller });
  };
  return byHostName === undefined ? serve : (exchange) => byHostName(exchange, serve);
}

/** Whose token it is. One that is not good makes the caller anonymous: public things stay public. */
async function identify(
  exchange: Exchange,
  { authenticator, rules }: SwiftServices,
): Promise<Caller> {
  const token = headerOf(exchange, 'x-auth-token') ?? headerOf(exchange, 'x-storage-token');
  const service = headerOf(exchange, 'x-service-token');
  const line = { method: exchange.method, path: exchange.url.split('?', 1)[0] ?? '' };
  return {
    identity: token ? await authenticator.validateToken(token, line) : undefined,
    service: service ? await authenticator.validateToken(service, line) : undefined,
    referer: headerOf(exchange, 'referer'),
    rules,
    rights: new Map(),
    namelessAccounts: new Set(),
  };
}

async function dispatch(request: SwiftRequest, services: SwiftServices): Promise<Reply> {
  if (request.exchange.method === 'OPTIONS')
    return { status: 200, headers: { Allow: allowedMethods(request, services) }, body: '' };
  if (isObjectRequest(request)) return await run(objectRoutes, request, services);
  if (isContainerRequest(request)) return await run(containerRoutes, request, services);
  return await run(accountRoutes, request, services);
}

async function run<R extends SwiftRequest>(
  routes: Routes<R>,
  request: R,
  services: SwiftServices,
): Promise<Reply> {
  const { method } = request.exchange;
  const operation = Object.hasOwn(routes, method) ? routes[method] : undefined;
  if (operation === undefined) return page(405, { Allow: allowedMethods(request, services) });
  return await operation(request, services);
}
