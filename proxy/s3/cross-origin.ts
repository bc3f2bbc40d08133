/** What browsers are told about pages of other origins: preflight answers, and headers on every answer about a bucket with rules. */
import { isFailure } from '#common';
import type { Exchange } from '../exchange.ts';
import { documentOf } from './config/bucket-document.ts';
import { type CorsRule, corsDocument, corsHeaders, findCorsRule } from './config/cors.ts';
import type { S3Reply, S3Services } from './context.ts';
import { emptyReply } from './reply.ts';
import type { RequestHead } from './request-head.ts';
import { S3Failure } from './s3-failure.ts';

/** `OPTIONS`: nobody signs it, and it tells nothing but the rules. */
export async function preflight(
  { headers }: RequestHead,
  bucket: string,
  services: S3Services,
): Promise<S3Reply> {
  const origin = headers.get('origin');
  const method = headers.get('access-control-request-method');
  if (origin === undefined)
    throw new S3Failure('BadRequest', {
      message: 'Insufficient information. Origin request header needed.',
    });
  if (method === undefined)
    throw new S3Failure('BadRequest', {
      message: 'Invalid Access-Control-Request-Method: null',
    });
  const asked = headers.get('access-control-request-headers') ?? '';
  const names = asked.split(',').map((name) => name.trim().toLowerCase());
  const question = { origin, method, headers: names.filter((name) => name !== '') };
  const rules = await rulesOf(bucket, services);
  const rule = rules === undefined ? undefined : findCorsRule(rules, question);
  if (rule === undefined)
    throw new S3Failure('AccessForbidden', {
      message:
        rules === undefined
          ? 'CORSResponse: CORS is not enabled for this bucket.'
          : "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
      details: { Method: method, ResourceType: 'BUCKET' },
    });
  return emptyReply(200, corsHeaders(rule, question));
}

/** Whether a page of another origin asks, as far as the request says. */
export function asksAcross({ headers }: Exchange): boolean {
  return headers.origin !== undefined;
}

/** For an answer to a page of another origin; nothing where no rule allows it. */
export async function crossOrigin(
  exchange: Exchange,
  bucket: string | undefined,
  services: S3Services,
): Promise<Record<string, string>> {
  const { origin } = exchange.headers;
  if (origin === undefined || bucket === undefined || exchange.method === 'OPTIONS') return {};
  const rules = await rulesOf(bucket, services);
  if (rules === undefined) return {};
  // A page may say what it is going to do, as if it asked first.
  const asked = exchange.headers['access-control-request-method'];
  const question = { origin, method: asked ?? exchange.method, headers: [] };
  const rule = findCorsRule(rules, question);
  return rule === undefined ? {} : corsHeaders(rule, question);
}

async function rulesOf(
  bucket: string,
  services: S3Services,
): Promise<readonly CorsRule[] | undefined> {
  try {
    const container = await services.objects.containers.resolve(bucket, undefined);
    return documentOf(corsDocument, container);
  } catch (error) {
    if (isFailure(error)) return undefined;
    throw error;
  }
}
