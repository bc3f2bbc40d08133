/** Rows as the API shows them: links and listings. */
import type { ApiReply } from '../api/index.ts';
import type { Request } from './caller.ts';
import type { Page } from './listing.ts';

export type View = Record<string, unknown>;

/** `self` and `bookmark` of a resource, with the project in the path when the request had it there. */
export function linksOf(request: Request, collection: string, id: string): View[] {
  const project = request.params.project_id;
  const path = `${project === undefined ? '' : `/${project}`}/${collection}/${id}`;
  return [
    { rel: 'self', href: `${request.baseUrl}/v3${path}` },
    { rel: 'bookmark', href: `${request.baseUrl}${path}` },
  ];
}

/** A page under its collection's name, with the link to the next one and the count when asked for. */
export function pageReply<R>(
  request: Request,
  collection: string,
  page: Page<R>,
  view: (row: R) => View,
): ApiReply {
  const path = request.url.split('?', 1)[0] ?? '';
  const links =
    page.next === undefined
      ? {}
      : {
          [`${collection}_links`]: [{ rel: 'next', href: `${request.baseUrl}${path}${page.next}` }],
        };
  const count = page.count === undefined ? {} : { count: page.count };
  return { body: { [collection]: page.rows.map(view), ...links, ...count } };
}
