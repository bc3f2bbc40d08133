/** `ListUsers`, `ListRoles` and their like: a page of at most `MaxItems`, and the `Marker` that the next one begins after. */
import { element, optionalElement, wrap } from '../xml/write.ts';
import { IamFailure } from './iam-failure.ts';
import type { Query } from './query-api.ts';
import type { ShelfPage } from './shelf.ts';

const itemsMax = 1_000;
const itemsDefault = 100;

export interface PageOptions {
  /** As the page before told it. */
  readonly after?: string;
  readonly limit: number;
}

interface Entity {
  readonly name: string;
  readonly path: string;
}

export function pageOf(query: Query): PageOptions {
  const text = query.find('MaxItems');
  const limit = text === undefined ? itemsDefault : Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > itemsMax)
    throw new IamFailure('ValidationError', `MaxItems must be between 1 and ${itemsMax}.`);
  const after = query.find('Marker');
  return { limit, ...(after === undefined ? {} : { after }) };
}

/** A `PathPrefix` leaves out of a page what does not match: there may be more although a page is short. */
export async function listEntities<E extends Entity>(
  query: Query,
  what: {
    readonly name: 'Users' | 'Groups' | 'Roles';
    readonly list: (page: PageOptions) => Promise<ShelfPage<E>>;
    readonly render: (entity: E) => string;
  },
): Promise<string> {
  const prefix = query.find('PathPrefix') ?? '/';
  const { entries, more, next } = await what.list(pageOf(query));
  const members = entries
    .filter(({ path }) => path.startsWith(prefix))
    .map((entity) => wrap('member', what.render(entity)));
  return (
    wrap(what.name, members.join('')) +
    element('IsTruncated', more) +
    optionalElement('Marker', next)
  );
}
