/**
 * A collection of resources, declared once: list, create, show, update and delete of what has an id, a schema and a view.
 * What only one resource does is a hook here or a route of its own beside it.
 */
import type { RawBuilder } from 'kysely';
import Type, { type Static, type TSchema } from 'typebox';
import type { ListingRules, PolicyTarget, Route } from '../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../caller.ts';
import type { Db, IdentityCore, Tx } from '../core.ts';
import { identityFailure } from '../failures.ts';
import type { Identified, Rows } from './rows.ts';
import { linked, listReply, readPage, type View } from './views.ts';

type Verb = 'list' | 'create' | 'get' | 'update' | 'delete';

/** How a row came to be written: from what to what, by which body, with what was prepared for it. */
export interface Written<R, G, P> {
  readonly before: R | undefined;
  readonly given: G;
  readonly prepared: P | undefined;
}

export interface Collection<
  R extends Identified,
  C extends TSchema,
  U extends TSchema,
  P = undefined,
> {
  readonly rows: Rows<R>;
  /** `regions`: in URLs, in links, around lists and in the names of policy rules. */
  readonly plural: string;
  /** `region`: around one, and in the names of policy rules. */
  readonly member: string;
  /** The name of the id in paths; `region_id` unless said. */
  readonly idName?: string;
  /** What stands between `/v3` and the collection, for extensions. */
  readonly prefix?: string;
  readonly create: C;
  readonly update: U;
  readonly listing: Omit<ListingRules, 'table' | 'limitMax'>;
  /** Without links, which are the collection's matter. */
  readonly view: (row: R) => View;
  /** More than the row knows of itself, for all of a page at once. */
  readonly enrich?: (views: readonly View[], request: Request) => Promise<readonly View[]>;
  /** What a policy rule sees of the row, or of nothing when it is not there. */
  readonly target?: (row: R | undefined) => PolicyTarget;
  /** The same of a row that is to be made. */
  readonly createTarget?: (given: Static<C>, request: Request) => PolicyTarget;
  readonly listTarget?: (request: Request) => PolicyTarget;
  /** Confines a listing to what its caller may see. */
  readonly where?: (request: Request) => readonly RawBuilder<boolean>[];
  /** What a listing must know first. */
  readonly beforeList?: (request: Request) => Promise<void>;
  readonly keep?: (view: View, request: Request) => boolean;
  /** Refuses to make, change and delete what is kept elsewhere. */
  readonly guard?: (row: R, db: Db) => Promise<void>;
  /** Work that is too slow for a transaction. */
  readonly prepare?: (given: Static<C> | Static<U>) => Promise<P | undefined>;
  readonly fresh: (given: Static<C>, request: Request, transaction: Tx) => R | Promise<R>;
  readonly changed: (before: R, given: Static<U>, transaction: Tx) => R | Promise<R>;
  /** Before a row is written, and after. */
  readonly check?: (row: R, before: R | undefined, transaction: Tx) => Promise<void>;
  readonly written?: (
    row: R,
    how: Written<R, Static<C> | Static<U>, P>,
    transaction: Tx,
  ) => Promise<void>;
  /** What goes with a row, or why it must stay. */
  readonly removing?: (row: R, transaction: Tx) => Promise<void>;
  /** More of one that is shown by itself. */
  readonly detail?: (row: R, request: Request) => Promise<View>;
  readonly verbs?: readonly Verb[];
}

export function collectionRoutes<
  R extends Identified,
  C extends TSchema,
  U extends TSchema,
  P = undefined,
>(core: IdentityCore, of: Collection<R, C, U, P>): Route<IdentityCaller>[] {
  const { db } = core;
  const { member, plural, rows } = of;
  const place = `${of.prefix ?? ''}/${plural}`.slice(1);
  const path = `/v3/${place}`;
  const idName = of.idName ?? `${member}_id`;
  const one = async (request: Request, from: Db = db) => rows.get(from, parameter(request, idName));
  const show = async (request: Request, shown: readonly R[]): Promise<readonly View[]> => {
    const views = shown.map(of.view);
    const full = of.enrich === undefined ? views : await of.enrich(views, request);
    return full.map((view) => linked(request, place, view));
  };
  const reply = async (request: Request, row: R) => ({ [member]: (await show(request, [row]))[0] });
  const target = async (request: Request) =>
    of.target === undefined ? {} : of.target(await rows.find(db, parameter(request, idName)));
  const tell = (request: Request, what: string, row: R, transaction: Tx) =>
    core.notify(transaction, {
      type: `identity.${member}.${what}`,
      resource: { type: member, id: row.id },
      userId: request.caller?.userId,
      projectId: request.caller?.projectId,
      requestId: request.requestId,
    });
  const createBody = Type.Object({ [member]: of.create });
  const updateBody = Type.Object({ [member]: of.update });
  // The schema says that the member is there; its type cannot, as its name is computed.
  const given = <S>(body: { readonly [name: string]: S }): S => {
    const value = body[member];
    if (value === undefined) throw identityFailure('schema-invalid', { detail: `No ${member}.` });
    return value;
  };

  const routes: Record<Verb, Route<IdentityCaller>> = {
    list: route({
      method: 'GET',
      path,
      policy: `identity:list_${plural}`,
      target: (request) => of.listTarget?.(request) ?? {},
      handle: async (request) => {
        await of.beforeList?.(request);
        const rules = { ...of.listing, table: rows.table, limitMax: core.settings.listMax };
        const page = await readPage<R>(request, db, rules, of.where?.(request));
        const views = await show(request, page.rows);
        const kept = views.filter((view) => of.keep?.(view, request) ?? true);
        return listReply(request, plural, kept, page.next);
      },
    }),
    create: route({
      method: 'POST',
      path,
      policy: `identity:create_${member}`,
      body: createBody,
      target: (request) => of.createTarget?.(given<Static<C>>(request.body), request) ?? {},
      handle: async (request) => {
        const body = given<Static<C>>(request.body);
        const prepared = await of.prepare?.(body);
        const row = await core.change(async (transaction) => {
          const made = await of.fresh(body, request, transaction);
          await of.guard?.(made, transaction);
          await of.check?.(made, undefined, transaction);
          await rows.insert(transaction, made, nameOf(made));
          await of.written?.(made, { before: undefined, given: body, prepared }, transaction);
          await tell(request, 'created', made, transaction);
          return made;
        });
        return { status: 201, body: await reply(request, row) };
      },
    }),
    get: route({
      method: 'GET',
      path: `${path}/:${idName}`,
      policy: `identity:get_${member}`,
      target,
      handle: async (request) => {
        const row = await one(request);
        const more = await of.detail?.(row, request);
        const [view] = await show(request, [row]);
        return { body: { [member]: { ...view, ...more } } };
      },
    }),
    update: route({
      method: 'PATCH',
      path: `${path}/:${idName}`,
      policy: `identity:update_${member}`,
      body: updateBody,
      target,
      handle: async (request) => {
        const changes = given<Static<U>>(request.body);
        await of.guard?.(await one(request), db);
        const prepared = await of.prepare?.(changes);
        const row = await core.change(async (transaction) => {
          const before = await one(request, transaction);
          refuseOtherId(changes, before.id);
          const after = await of.changed(before, changes, transaction);
          await of.check?.(after, before, transaction);
          await rows.update(transaction, after, nameOf(after));
          await of.written?.(after, { before, given: changes, prepared }, transaction);
          await tell(request, 'updated', after, transaction);
          return after;
        });
        return { body: await reply(request, row) };
      },
    }),
    delete: route({
      method: 'DELETE',
      path: `${path}/:${idName}`,
      policy: `identity:delete_${member}`,
      target,
      handle: async (request) => {
        await of.guard?.(await one(request), db);
        await core.change(async (transaction) => {
          const row = await one(request, transaction);
          await of.removing?.(row, transaction);
          await rows.remove(transaction, row.id);
          await tell(request, 'deleted', row, transaction);
        });
        return { status: 204 };
      },
    }),
  };
  return (of.verbs ?? ['list', 'create', 'get', 'update', 'delete']).map((verb) => routes[verb]);
}

const nameOf = (row: Identified): string =>
  'name' in row && typeof row.name === 'string' ? row.name : row.id;

/** Upstream lets a body repeat the id, never change it. */
export function refuseOtherId(changes: unknown, id: string): void {
  if (typeof changes !== 'object' || changes === null || !('id' in changes)) return;
  if (changes.id !== id) throw identityFailure('schema-invalid', { detail: 'Cannot change ID' });
}
