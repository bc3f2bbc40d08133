/** `x-amz-expiration`: when a lifecycle rule will expire an object. */
import type { Container, ObjectInfo } from '../../objects/index.ts';
import { documentOf } from '../config/bucket-document.ts';
import { lifecycleDocument } from '../config/lifecycle.ts';
import type { S3Request } from '../context.ts';
import { httpDate } from '../http-date.ts';
import { dueMs, isAboutObject } from './rule-match.ts';

export function expirationHeader(
  container: Container,
  info: ObjectInfo,
  request: Pick<S3Request, 'dayMs'>,
): string | undefined {
  if (container.system[lifecycleDocument.field] === undefined) return undefined;
  const rules = documentOf(lifecycleDocument, container) ?? [];
  let first: { readonly id: string; readonly ms: number } | undefined;
  for (const { id, enabled, filter, expiration } of rules) {
    if (!enabled || expiration === undefined || !isAboutObject(filter, info)) continue;
    const ms = dueMs(expiration, info.modifiedUs / 1000, request.dayMs);
    if (first === undefined || ms < first.ms) first = { id, ms };
  }
  if (first === undefined) return undefined;
  return `expiry-date="${httpDate(first.ms * 1000)}", rule-id="${encodeURIComponent(first.id)}"`;
}

export function expirationHeaders(
  container: Container,
  info: ObjectInfo,
  request: S3Request,
): Record<string, string> {
  const header = expirationHeader(container, info, request);
  return header === undefined ? {} : { 'x-amz-expiration': header };
}
