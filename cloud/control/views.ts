/** What the control service's resources share. */
import type { ApiRequest, Caller } from '#cloud/api';
import { Failure } from '#common';

export function timeOf(us: number | undefined): string | null {
  return us === undefined ? null : new Date(us / 1000).toISOString();
}

/** Microseconds of an ISO time in the query; fails `page-invalid` for anything else. */
export function timeIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const ms = Date.parse(text);
  if (Number.isFinite(ms)) return ms * 1000;
  const detail = `${name} must be a time such as 2026-01-31T12:00:00Z.`;
  throw new Failure('invalid', 'page-invalid', detail, { facts: { detail } });
}

export function limitIn(query: URLSearchParams, usual: number, max: number): number {
  const text = query.get('limit') ?? String(usual);
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Math.min(Number(text), max);
  const detail = 'limit must be a whole number.';
  throw new Failure('invalid', 'page-invalid', detail, { facts: { detail } });
}

/** The project whose things are listed: the caller's own, or with `all_projects` (and the right to it) everybody's. */
export function scopeOf(request: ApiRequest<Caller, unknown>, rule: string): string | undefined {
  const asked = /^(1|true|yes)$/i.test(request.query.get('all_projects') ?? '');
  const { projectId } = request.caller ?? {};
  if (!asked && projectId !== undefined) return projectId;
  if (request.may(rule)) return undefined;
  throw new Failure('denied', 'forbidden-action', 'Not allowed', { facts: { action: rule } });
}
