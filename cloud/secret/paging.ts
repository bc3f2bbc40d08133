/** Pages by offset and limit, as upstream has them: what is no number counts as not given. */
import type { ApiReply } from '#cloud/api';
import type { Request } from './caller.ts';
import type { SecretCore } from './core.ts';

export interface Paging {
  readonly offset: number;
  readonly limit: number;
}

export function pagingOf(core: SecretCore, request: Request): Paging {
  const { limitDefault, limitMax } = core.settings;
  const offset = wholeOf(request.query.get('offset')) ?? 0;
  const limit = wholeOf(request.query.get('limit'));
  return {
    offset: Math.max(offset, 0),
    // Upstream takes 0 for "not said".
    limit:
      limit === undefined || limit === 0 ? limitDefault : Math.min(Math.max(limit, 1), limitMax),
  };
}

function wholeOf(text: string | null): number | undefined {
  if (text === null || !/^-?\d{1,15}$/.test(text.trim())) return undefined;
  return Number(text);
}

/** A page of `total` with addresses of the ones beside it; `path` is behind `/v1/`. */
export function pageReply(
  request: Request,
  path: string,
  name: string,
  page: Paging & { readonly total: number; readonly entries: readonly unknown[] },
): ApiReply {
  const { offset, limit, total, entries } = page;
  const at = (from: number) =>
    `${request.baseUrl}/v1/${path}?limit=${limit}&offset=${Math.max(from, 0)}`;
  return {
    body: {
      [name]: entries,
      ...(entries.length > 0 && offset > 0 ? { previous: at(offset - limit) } : {}),
      ...(entries.length > 0 && total > offset + limit ? { next: at(offset + limit) } : {}),
      total,
    },
  };
}
