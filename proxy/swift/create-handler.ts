/** The Swift dialect: what is addressed and the method lead to an operation; its failures become Swift's answers. */
import type { Logger } from '#common';
import type { Identity } from '../authenticator.ts';
import type { Exchange, Handler, Reply } from '../exchange.ts';
import { getAccount, postAccount } from './accounts.ts';
import { bulkDelete } from './bulk-delete.ts';
import { deleteObject, postObject } from './change-object.ts';
import { deleteContainer, getContainer, postContainer, putContainer } from './containers.ts';
import { copyObject } from './copy-object.ts';
import { getObject } from './get-object.ts';
import { putObject } from './put-object.ts';
import { page, refusal, renderFailure, textReply } from './refusal.ts';
import { serveEndpoint } from './service-endpoints.ts';
import { parsePath, parseQuery, type SwiftPath } from './swift-path.ts';
import {
  type ContainerRequest,
  headerOf,
  type ObjectRequest,
  type Operation,
  type SwiftRequest,
  type SwiftServices,
} from './swift-request.ts';

type Routes<R extends SwiftRequest> = Readonly<Record<string, Operation<R>>>;

const accountRoutes: Routes<SwiftRequest> = {
  GET: getAccount,
  HEAD: getAccount,
  POST: postAccount,
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
  COPY: copyObject,
};

export interface SwiftHandlerOptions extends SwiftServices {
  readonly log: Logger;
}

export function createSwiftHandler(options: SwiftHandlerOptions): Handler {
  return async (exchange) => {
    let reply: Reply;
    try {
      reply = await serve(exchange, options);
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

async function serve(exchange: Exchange, services: SwiftServices): Promise<Reply> {
  const { url } = exchange;
  const question = url.indexOf('?');
  const parsed = parsePath(question < 0 ? url : url.slice(0, question));
  if (parsed.is === 'undecodable') return textReply(412, 'Invalid UTF8 or contains NULL');
  if (parsed.is === 'malformed') return textReply(412, 'Bad URL');
  if (parsed.is === 'other') return await serveEndpoint(parsed.name, exchange, services);
  const query = parseQuery(question < 0 ? '' : url.slice(question + 1));
  if (query === undefined) throw refusal('bad-request', 'parameters not valid UTF-8');
  exchange.account = parsed.path.account;
  const identity = await identify(exchange, services);
  const caller = { identity, referer: headerOf(exchange, 'referer') };
  return await dispatch({ exchange, path: parsed.path, query, caller }, services);
}

/** Whose token it is. One that is not good makes the caller anonymous: public things stay public. */
async function identify(
  exchange: Exchange,
  { authenticator }: SwiftServices,
): Promise<Identity | undefined> {
  const token = headerOf(exchange, 'x-auth-token') ?? headerOf(exchange, 'x-storage-token');
  return token ? await authenticator.validateToken(token) : undefined;
}

function isObjectRequest(request: SwiftRequest): request is ObjectRequest {
  return request.path.object !== undefined;
}

function isContainerRequest(request: SwiftRequest): request is ContainerRequest {
  return request.path.container !== undefined;
}

async function dispatch(request: SwiftRequest, services: SwiftServices): Promise<Reply> {
  const { method } = request.exchange;
  if (method === 'OPTIONS') return preflight(request);
  const bulk = request.query.has('bulk-delete') && request.path.container === undefined;
  if (bulk && (method === 'POST' || method === 'DELETE'))
    return await bulkDelete(request, services);
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
  if (operation === undefined) return page(405, { Allow: allowed(routes) });
  return await operation(request, services);
}

function allowed(routes: object): string {
  return [...Object.keys(routes), 'OPTIONS'].join(', ');
}

/** Browsers of other origins are not let in; without an origin it says what there is. */
function preflight(request: SwiftRequest): Reply {
  const { path, exchange } = request;
  if (headerOf(exchange, 'origin') !== undefined) return page(401);
  return { status: 200, headers: { Allow: allowed(routesOf(path)) }, body: '' };
}

function routesOf(path: SwiftPath): object {
  if (path.object !== undefined) return objectRoutes;
  return path.container === undefined ? accountRoutes : containerRoutes;
}
