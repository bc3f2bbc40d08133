/**
 * Listing servers: what SQL knows is asked of SQL, what is computed is looked at row by row. Rows are looked at slim, and only those of the
 * page are read whole.
 */
import { callerOf, flagOf, type Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import { parseList } from '../fields.ts';
import { powerState, serverStatus, taskState, vmState } from '../status.ts';
import type { ServerRow } from '../tables.ts';

const slim = [
  'id',
  'name',
  'project_id',
  'user_id',
  'tags_json',
  'locked_by',
  'made',
  'operation_id',
  'operation_kind',
  'failure',
  'power',
  'mode',
  'deleted_at_us',
  'hostname',
  'description',
] as const;
type SlimRow = Pick<ServerRow, (typeof slim)[number]>;

const columns: Readonly<Record<string, keyof ServerRow>> = {
  image: 'image_id',
  flavor: 'flavor_id',
  host: 'host',
  node: 'host',
  user_id: 'user_id',
  reservation_id: 'reservation_id',
  uuid: 'id',
  availability_zone: 'zone',
  key_name: 'key_name',
  access_ip_v4: 'access_ip_v4',
  access_ip_v6: 'access_ip_v6',
  launch_index: 'launch_index',
};
/** Filters that only administrators may use; from others they are passed over, as upstream does. */
const administrators = new Set(['host', 'node', 'user_id', 'launch_index']);

const sortColumns: Readonly<Record<string, keyof ServerRow>> = {
  created_at: 'created_at_us',
  updated_at: 'updated_at_us',
  launched_at: 'launched_at_us',
  terminated_at: 'deleted_at_us',
  display_name: 'name',
  display_description: 'description',
  uuid: 'id',
  host: 'host',
  node: 'host',
  image_ref: 'image_id',
  instance_type_id: 'flavor_id',
  key_name: 'key_name',
  availability_zone: 'zone',
  project_id: 'project_id',
  user_id: 'user_id',
  config_drive: 'config_drive',
  access_ip_v4: 'access_ip_v4',
  access_ip_v6: 'access_ip_v6',
  launch_index: 'launch_index',
  vm_state: 'power',
  power_state: 'power',
  task_state: 'operation_kind',
  locked: 'locked_by',
};

export interface ServerPage {
  readonly rows: readonly ServerRow[];
  /** Query string of the next page. */
  readonly next: string | undefined;
}

export async function listServers(core: ComputeCore, request: Request): Promise<ServerPage> {
  const { query } = request;
  const limit = limitOf(query, core.settings.pageMax);
  const addresses = await addressFilter(core, query);
  const slimRows = await slimQuery(core, request).execute();
  const keep = keepers(request);
  const matching = slimRows.filter(
    (row) => keep.every((one) => one(row)) && (addresses === undefined || addresses(row.id)),
  );
  const marker = query.get('marker');
  const start = marker === null ? 0 : matching.findIndex(({ id }) => id === marker) + 1;
  if (marker !== null && start === 0) throw refused(`marker [${marker.slice(0, 64)}] not found`);
  const ids = matching.slice(start, start + limit).map(({ id }) => id);
  const rows = await wholeRows(core, ids);
  const last = ids.at(-1);
  if (start + limit >= matching.length || last === undefined) return { rows, next: undefined };
  const following = new URLSearchParams(query);
  following.set('marker', last);
  return { rows, next: `?${following}` };
}

const oneQueryMax = 500;

async function wholeRows(core: ComputeCore, ids: readonly string[]): Promise<ServerRow[]> {
  const byId = new Map<string, ServerRow>();
  for (let from = 0; from < ids.length; from += oneQueryMax) {
    const rows = await core.db
      .selectFrom('compute_server')
      .selectAll()
      .where('id', 'in', ids.slice(from, from + oneQueryMax))
      .execute();
    for (const row of rows) byId.set(row.id, row);
  }
  return ids.flatMap((id) => byId.get(id) ?? []);
}

function slimQuery(core: ComputeCore, request: Request) {
  const { query } = request;
  const caller = callerOf(request);
  let select = core.db.selectFrom('compute_server').select(slim);
  // The bare word is a yes, too.
  const asked = query.get('all_tenants') === '' || flagOf(query.get('all_tenants'), 'all_tenants');
  const everywhere = caller.isAdmin && asked;
  if (!caller.isAdmin && asked)
    throw computeFailure('forbidden-action', {
      action: 'os_compute_api:servers:detail:get_all_tenants',
    });
  const project = query.get('project_id') ?? query.get('tenant_id');
  if (!everywhere) select = select.where('project_id', '=', caller.projectId ?? '');
  else if (project !== null) select = select.where('project_id', '=', project);
  const deleted = caller.isAdmin && flagOf(query.get('deleted'), 'deleted', false);
  const since = timeFilter(query, 'changes-since');
  if (deleted) select = select.where('deleted_at_us', 'is not', null);
  else if (since === undefined) select = select.where('deleted_at_us', 'is', null);
  if (since !== undefined) select = select.where('updated_at_us', '>=', since);
  const before = request.minor >= 66 ? timeFilter(query, 'changes-before') : undefined;
  if (before !== undefined) select = select.where('updated_at_us', '<=', before);
  for (const [name, value] of query) {
    const column = Object.hasOwn(columns, name) ? columns[name] : undefined;
    if (column === undefined || (administrators.has(name) && !caller.isAdmin)) continue;
    select = select.where(column, '=', value.split('/').at(-1) ?? value);
  }
  for (const { column, descending } of sortsOf(query))
    select = select.orderBy(column, descending ? 'desc' : 'asc');
  return select.orderBy('id', 'desc');
}

function sortsOf(query: URLSearchParams) {
  const keys = query.getAll('sort_key');
  const directions = query.getAll('sort_dir');
  return (keys.length === 0 ? ['created_at'] : keys).map((key, at) => {
    const column = Object.hasOwn(sortColumns, key) ? sortColumns[key] : undefined;
    if (column === undefined)
      throw refused(`Invalid input for query parameters sort_key. Value: ${key.slice(0, 64)}.`);
    const direction = directions[at] ?? directions.at(-1) ?? 'desc';
    if (direction !== 'asc' && direction !== 'desc')
      throw refused('Unknown sort direction, must be asc or desc');
    return { column, descending: direction === 'desc' };
  });
}

function limitOf(query: URLSearchParams, max: number): number {
  const asked = query.get('limit');
  if (asked === null) return max;
  if (!/^\d{1,9}$/.test(asked)) throw refused('limit must be a whole number and at least 0');
  return Math.min(Number(asked), max);
}

function timeFilter(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const isTime = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?([Zz]|[+-]\d\d:?\d\d)?$/.test(
    text,
  );
  if (!isTime) throw refused(`Invalid ${name} value`);
  const ms = Date.parse(/[Zz]|[+-]\d\d:?\d\d$/.test(text) ? text : `${text}Z`);
  if (Number.isNaN(ms)) throw refused(`Invalid ${name} value`);
  return ms * 1000;
}

type Keep = (row: SlimRow) => boolean;

/** Filters on what is computed. */
function keepers(request: Request): Keep[] {
  const { query, minor } = request;
  const keep: Keep[] = [];
  const all = (name: string) => query.getAll(name);
  const statuses = all('status').map((value) => value.toUpperCase());
  if (statuses.length > 0) keep.push((row) => statuses.includes(serverStatus(row)));
  for (const name of ['name', 'description', 'hostname'] as const) {
    const value = query.get(name);
    if (value !== null) keep.push(matches(value, (row) => row[name] ?? ''));
  }
  const vm = all('vm_state');
  if (vm.length > 0) keep.push((row) => vm.includes(vmState(row)));
  const tasks = all('task_state');
  if (tasks.length > 0) keep.push((row) => tasks.includes(taskState(row) ?? 'None'));
  const powers = all('power_state');
  if (powers.length > 0) keep.push((row) => powers.includes(String(powerState(row))));
  if (minor >= 26) keep.push(...tagKeepers(query));
  const locked = query.get('locked');
  if (minor >= 73 && locked !== null) {
    const wanted = flagOf(locked, 'locked');
    keep.push((row) => (row.locked_by !== null) === wanted);
  }
  return keep;
}

function tagKeepers(query: URLSearchParams): Keep[] {
  const list = (name: string) => (query.get(name) ?? '').split(',').filter((tag) => tag !== '');
  const keep: Keep[] = [];
  const having = (name: string, test: (own: string[], wanted: string[]) => boolean) => {
    const wanted = list(name);
    if (wanted.length > 0) keep.push((row) => test(parseList(row.tags_json), wanted));
  };
  having('tags', (own, wanted) => wanted.every((tag) => own.includes(tag)));
  having('tags-any', (own, wanted) => wanted.some((tag) => own.includes(tag)));
  having('not-tags', (own, wanted) => !wanted.every((tag) => own.includes(tag)));
  having('not-tags-any', (own, wanted) => !wanted.some((tag) => own.includes(tag)));
  return keep;
}

const patternMax = 255;

/** Names are looked for by pattern. Only what cannot be slow: anchors, dots and stars; the rest stands for itself. */
function matches(pattern: string, text: (row: SlimRow) => string): Keep {
  if (pattern.length > patternMax) throw refused('The filter is too long');
  const parts = /^(\^?)(.*?)(\$?)$/s.exec(pattern);
  const [, start = '', middle = '', end = ''] = parts ?? [];
  const pieces = middle.split(/\.\*/).map((piece) => piece.replaceAll('\\', ''));
  return (row) => containsInOrder(text(row), pieces, { start: start !== '', end: end !== '' });
}

function containsInOrder(
  text: string,
  pieces: readonly string[],
  anchored: { readonly start: boolean; readonly end: boolean },
): boolean {
  let at = 0;
  for (const [number, piece] of pieces.entries()) {
    const last = number === pieces.length - 1;
    if (number === 0 && anchored.start) {
      if (!text.startsWith(piece)) return false;
      at = piece.length;
      if (last && anchored.end) return text.length === at;
    } else if (last && anchored.end) {
      return text.length - piece.length >= at && text.endsWith(piece);
    } else {
      const found = text.indexOf(piece, at);
      if (found < 0) return false;
      at = found + piece.length;
    }
  }
  return true;
}

/** By address: asked of the network, which knows. */
async function addressFilter(core: ComputeCore, query: URLSearchParams) {
  const wanted = [query.get('ip'), query.get('ip6')].filter((value) => value !== null);
  if (wanted.length === 0) return undefined;
  const rows = await core.db.selectFrom('compute_port').select('server_id').distinct().execute();
  const ports = (await core.ports?.list({ deviceIds: rows.map((row) => row.server_id) })) ?? [];
  const having = new Set<string>();
  for (const port of ports)
    for (const ip of port.fixedIps)
      if (
        wanted.every((part) =>
          ip.address.includes(part.replaceAll('\\', '').replace(/^\^|\$$/g, '')),
        )
      )
        having.add(port.deviceId);
  return (id: string) => having.has(id);
}
