/**
 * Static sites: a container's metadata says which object stands for a folder, which for an error, and whether folders are listed.
 * For anonymous readers, and for others who ask for it with `X-Web-Mode`.
 */
import { Buffer } from 'node:buffer';
import { isFailure } from '#common';
import type { Reply } from '../../exchange.ts';
import type { Fields } from '../../objects/index.ts';
import { authorize } from '../access.ts';
import { openContainer } from '../containers.ts';
import { xmlText } from '../listing.ts';
import { isSuccess, page, settled } from '../refusal.ts';
import { headersOf, subRequest } from '../sub-request.ts';
import {
  type ContainerRequest,
  headerOf,
  isContainerRequest,
  isObjectRequest,
  type ObjectRequest,
  type SwiftHandler,
  type SwiftRequest,
  type SwiftServices,
  type SwiftStage,
} from '../swift-request.ts';
import { isTrue } from '../text.ts';
import { listingPage, refusedListingPage } from '../web-listing.ts';

interface Site {
  readonly index: string;
  readonly error: string;
  readonly listings: boolean;
  readonly isSite: boolean;
  readonly label: string;
  readonly css: string;
  readonly folderType: string;
}

function siteOf(metadata: Fields): Site {
  const text = (name: string) => (metadata[`web-${name}`] ?? '').trim();
  return {
    index: text('index'),
    error: text('error'),
    listings: isTrue(text('listings')),
    isSite: text('index') !== '' || text('listings') !== '',
    label: text('listings-label'),
    css: text('listings-css'),
    folderType: text('directory-type') || 'application/directory',
  };
}

interface Context {
  readonly services: SwiftServices;
  readonly request: SwiftRequest & { readonly path: { readonly container: string } };
  readonly next: SwiftHandler;
  readonly site: Site;
}

export function createStaticWeb(services: SwiftServices): SwiftStage {
  return (request, next) => {
    const { exchange, caller, path } = request;
    if (exchange.method !== 'GET' && exchange.method !== 'HEAD') return next(request);
    if (path.container === undefined) return next(request);
    const isKnown = caller.identity !== undefined || caller.grant !== undefined;
    if (isKnown && !isTrue(headerOf(exchange, 'x-web-mode'))) return next(request);
    if (isObjectRequest(request)) return serveObject(request, next, services);
    return isContainerRequest(request) ? serveContainer(request, next, services) : next(request);
  };
}

async function findSite(
  request: SwiftRequest & { readonly path: { readonly container: string } },
  services: SwiftServices,
): Promise<Site> {
  try {
    const { account, container } = request.path;
    return siteOf((await services.objects.containers.open(account, container)).metadata);
  } catch (error) {
    if (isFailure(error, 'missing')) return siteOf({});
    throw error;
  }
}

async function serveContainer(
  request: ContainerRequest,
  next: SwiftHandler,
  services: SwiftServices,
): Promise<Reply> {
  const site = await findSite(request, services);
  const context: Context = { services, request, next, site };
  const { path, exchange, caller } = request;
  const denied = await settled(async () => {
    const container = await openContainer(request, services, path.account, path.container);
    // Who may read objects sees a site's pages; a list of names needs more than that.
    authorize(caller, path.account, container, site.index === '' ? 'listing' : 'object');
    return { status: 200, headers: {} };
  });
  if (!isSuccess(denied)) return await errorReply(context, denied);
  if (!site.isSite) {
    if (isTrue(headerOf(exchange, 'x-web-mode'))) return page(404);
    return await next(request);
  }
  if (!hasSlash(request)) return redirect(request, services);
  if (site.index === '') return await listing(context, '');
  const index = await getObject(context, site.index);
  if (index.status === 404) return await listing(context, '');
  return isFine(index) ? index : await errorReply(context, index);
}

async function serveObject(
  request: ObjectRequest,
  next: SwiftHandler,
  services: SwiftServices,
): Promise<Reply> {
  const reply = await settled(() => next(request));
  if (!isFine(reply) && reply.status !== 404) return reply;
  const site = await findSite(request, services);
  const context: Context = { services, request, next, site };
  if (isFine(reply) && !isFolderMark(reply, site)) return reply;
  if (!site.isSite) return reply;
  const { object } = request.path;
  if (site.index !== '') {
    const index = await getObject(context, `${object}${hasSlash(request) ? '' : '/'}${site.index}`);
    if (isFine(index)) return hasSlash(request) ? index : redirect(request, services);
    if (index.status !== 404) return await errorReply(context, index);
  }
  if (hasSlash(request)) return await listing(context, object);
  const below = await list(
    context,
    new Map([...folderQuery, ['limit', '1'], ['prefix', `${object}/`]]),
  );
  if (!isSuccess(below) || entriesOf(below).length === 0)
    return await errorReply(context, page(404));
  return redirect(request, services);
}

/** An object that only stands for a folder. */
function isFolderMark({ headers }: Reply, { folderType }: Site): boolean {
  return headers['Content-Type'] === folderType && Number(headers['Content-Length'] ?? 0) <= 1;
}

function isFine({ status }: Reply): boolean {
  return status >= 200 && status < 400;
}

function hasSlash({ exchange }: SwiftRequest): boolean {
  return exchange.url.split('?', 1)[0]?.endsWith('/') === true;
}

function redirect({ exchange }: SwiftRequest, { swift }: SwiftServices): Reply {
  const path = `${exchange.url.split('?', 1)[0]}/`;
  const base = swift.staticWebUrlBase.replace(/\/+$/, '');
  const host = headerOf(exchange, 'host');
  const origin =
    base || (host === undefined ? '' : `${exchange.secure ? 'https' : 'http'}://${host}`);
  const target = `${origin}${base === '' ? (exchange.prefix ?? '') : ''}${path}`;
  const shown = xmlText(target);
  const body = `<html><h1>Moved Permanently</h1><p>The resource has moved to <a href="${shown}">${shown}</a>.</p></html>`;
  const headers = { Location: target, 'Content-Type': 'text/html; charset=UTF-8' };
  return { status: 301, headers, body };
}

async function getObject({ request, next }: Context, object: string): Promise<Reply> {
  const { exchange, path } = request;
  const inner = subRequest(request, {
    method: exchange.method,
    path: { account: path.account, container: path.container, object },
    query: request.query,
    headers: headersOf(exchange),
  });
  return await settled(() => next(inner));
}

/** The site's own page for the status, or else what there is. */
async function errorReply(context: Context, reply: Reply): Promise<Reply> {
  const { site, request, next } = context;
  if (site.error === '') return reply;
  const { account, container } = request.path;
  const inner = subRequest(request, {
    method: 'GET',
    path: { account, container, object: `${reply.status}${site.error}` },
  });
  const own = await settled(() => next(inner));
  return isSuccess(own) ? { ...own, status: reply.status } : reply;
}

const folderQuery = [
  ['delimiter', '/'],
  ['format', 'json'],
] as const;

async function list({ request, next }: Context, query: SwiftRequest['query']): Promise<Reply> {
  const { account, container } = request.path;
  const inner = subRequest(request, { method: 'GET', path: { account, container }, query });
  return await settled(() => next(inner));
}

function entriesOf({ body }: Reply): readonly Record<string, unknown>[] {
  if (!Buffer.isBuffer(body) || body.length === 0) return [];
  const parsed: unknown = JSON.parse(body.toString());
  return Array.isArray(parsed) ? parsed : [];
}

async function listing(context: Context, prefix: string): Promise<Reply> {
  const { site, request } = context;
  const path = `/v1/${request.path.account}/${request.path.container}/${prefix}`;
  const label = site.label === '' ? path : `${site.label}/${prefix}`;
  const about = { label, prefix, css: site.css, index: site.index };
  if (!site.listings)
    return await errorReply(context, {
      ...page(404),
      body: refusedListingPage(about),
    });
  const query = new Map<string, string>(folderQuery);
  if (prefix !== '') query.set('prefix', prefix);
  const reply = await list(context, query);
  if (!isSuccess(reply)) return await errorReply(context, reply);
  const entries = entriesOf(reply);
  if (prefix !== '' && entries.length === 0) return await errorReply(context, page(404));
  const headers = { 'Content-Type': 'text/html; charset=UTF-8' };
  return { status: 200, headers, body: listingPage({ ...about, entries }) };
}
