/**
 * A bucket as a web site, under a host name of its own: unsigned GET and HEAD, index pages, redirects, and pages instead of error
 * documents.
 */
import { isFailure } from '#common';
import type { Container } from '../objects/index.ts';
import { documentOf } from './config/bucket-document.ts';
import { type RoutingRule, type Website, websiteDocument } from './config/website.ts';
import type { S3Reply, S3Request, S3Services } from './context.ts';
import { errorTable, type S3Code } from './error-table.ts';
import { openObject } from './find-object.ts';
import { renderedError } from './render-error.ts';
import { S3Failure } from './s3-failure.ts';
import { planServing } from './serve-object.ts';
import { uriEncode } from './sigv4/uri-encode.ts';
import { redirectField } from './write-fields.ts';
import { element, wrap } from './xml/write.ts';

export async function serveWebsite(request: S3Request, services: S3Services): Promise<S3Reply> {
  const { method } = request.head;
  if (method !== 'GET' && method !== 'HEAD')
    return await page(request, new S3Failure('MethodNotAllowed'));
  let site: Website | undefined;
  let container: Container;
  try {
    container = await services.objects.containers.resolve(request.bucket, undefined);
    site = documentOf(websiteDocument, container);
  } catch (error) {
    if (!isFailure(error, 'missing') && !isFailure(error, 'invalid')) throw error;
    return await page(request, new S3Failure('NoSuchBucket', { cause: error }));
  }
  if (site === undefined) return await page(request, new S3Failure('NoSuchWebsiteConfiguration'));
  if (site.redirectAll !== undefined) {
    const { host, protocol } = site.redirectAll;
    return redirect(
      `${protocol ?? schemeOf(request)}://${host}/${uriEncode(request.key, true)}`,
      301,
    );
  }
  const rule = site.rules.find(
    (each) => each.errorCode === undefined && request.key.startsWith(each.prefix ?? ''),
  );
  if (rule !== undefined) return redirect(targetOf(rule, request), rule.code);
  return await servePage(request, services, site);
}

async function servePage(
  request: S3Request,
  services: S3Services,
  site: Website,
): Promise<S3Reply> {
  const suffix = site.indexSuffix ?? 'index.html';
  const isFolder = request.key === '' || request.key.endsWith('/');
  const key = isFolder ? request.key + suffix : request.key;
  try {
    return await serveKey({ ...request, key }, services, 200);
  } catch (error) {
    if (!isFailure(error)) throw error;
    if (!isFolder && (await exists({ ...request, key: `${request.key}/${suffix}` }, services)))
      return redirect(`/${uriEncode(request.key, true)}/`, 302);
    return await serveFailure(request, services, { site, error });
  }
}

async function serveKey(
  request: S3Request,
  services: S3Services,
  status: number,
): Promise<S3Reply> {
  const { container, object } = await openObject(
    {
      bucket: request.bucket,
      key: request.key,
      versionId: undefined,
      action: 's3:GetObject',
      versionAction: 's3:GetObject',
    },
    request,
    services,
  );
  const target = object.info.system[redirectField];
  if (target !== undefined) return redirect(target, 301);
  const plan = planServing(request, container, object.info);
  if (plan.status === 304) return { status: 304, headers: plan.headers };
  const answered = status === 200 ? plan.status : status;
  const { offset, length } = plan.range;
  if (length === 0 || request.head.method === 'HEAD')
    return { status: answered, headers: plan.headers };
  const body = object.inline?.subarray(offset, offset + length) ?? object.read(offset, length);
  return { status: answered, headers: plan.headers, body };
}

async function exists(request: S3Request, services: S3Services): Promise<boolean> {
  try {
    await serveKey({ ...request, head: { ...request.head, method: 'HEAD' } }, services, 200);
    return true;
  } catch (error) {
    if (isFailure(error)) return false;
    throw error;
  }
}

async function serveFailure(
  request: S3Request,
  services: S3Services,
  { site, error }: { readonly site: Website; readonly error: unknown },
): Promise<S3Reply> {
  const { status } = renderedError(error);
  const rule = site.rules.find(
    (each) => each.errorCode === status && request.key.startsWith(each.prefix ?? ''),
  );
  if (rule !== undefined) return redirect(targetOf(rule, request), rule.code);
  if (site.errorKey === undefined || status < 400 || status >= 500)
    return await page(request, error);
  const headers = new Map([['host', request.head.headers.get('host') ?? '']]);
  try {
    return await serveKey(
      { ...request, key: site.errorKey, head: { ...request.head, headers } },
      services,
      status,
    );
  } catch (second) {
    if (!isFailure(second)) throw second;
    return await page(request, error);
  }
}

function schemeOf({ secure }: S3Request): string {
  return secure ? 'https' : 'http';
}

function targetOf(rule: RoutingRule, request: S3Request): string {
  const { key } = request;
  const host = rule.host ?? request.head.headers.get('host') ?? '';
  const rest = key.slice((rule.prefix ?? '').length);
  const to =
    rule.replaceKey ?? (rule.replacePrefix === undefined ? key : rule.replacePrefix + rest);
  return `${rule.protocol ?? schemeOf(request)}://${host}/${uriEncode(to, true)}`;
}

function redirect(location: string, status: number): S3Reply {
  return { status, headers: { location } };
}

/** For people, not for programs: HTML. */
async function page(request: S3Request, error: unknown): Promise<S3Reply> {
  const { code, status, message } = renderedError(error);
  const headers = { 'content-type': 'text/html; charset=utf-8' };
  if (request.head.method === 'HEAD') return { status, headers };
  const title = `${status} ${titleOf(code)}`;
  const lines = [`Code: ${code}`, `Message: ${message}`, `RequestId: ${request.requestId}`];
  const list = wrap('ul', lines.map((line) => element('li', line)).join(''));
  const body = wrap('head', element('title', title)) + wrap('body', element('h1', title) + list);
  return { status, headers, body: wrap('html', body) };
}

function titleOf(code: S3Code): string {
  const { status } = errorTable[code];
  if (status === 404) return 'Not Found';
  if (status === 403) return 'Forbidden';
  if (status === 405) return 'Method Not Allowed';
  return code;
}
