/** Finding rows for requests: what a caller may not know of is not there, whether or not it is. */
import type { PolicyTarget } from '#cloud/api';
import { callerOf, isUuid, parameter, type Request } from './caller.ts';
import type { Db, SecretCore, Tx } from './core.ts';
import { missing } from './failures.ts';
import type {
  AclRow,
  ConsumerRow,
  ContainerRow,
  MemberRow,
  OrderRow,
  SecretRow,
} from './tables.ts';

type Reader = Db | Tx;

/** One that has expired is not there any more. */
export async function findSecret(
  core: SecretCore,
  db: Reader,
  id: string,
): Promise<SecretRow | undefined> {
  const row = await db.selectFrom('secret').selectAll().where('id', '=', id).executeTakeFirst();
  if (row === undefined) return undefined;
  return row.expires_at_us !== null && row.expires_at_us <= core.nowUs() ? undefined : row;
}

export async function aclOf(db: Reader, ownerId: string): Promise<AclRow | undefined> {
  return await db
    .selectFrom('secret_acl')
    .selectAll()
    .where('owner_id', '=', ownerId)
    .executeTakeFirst();
}

export const usersOf = (acl: AclRow): readonly string[] => JSON.parse(acl.users_json) as string[];

export async function consumersOf(db: Reader, ownerId: string): Promise<ConsumerRow[]> {
  return await db
    .selectFrom('secret_consumer')
    .selectAll()
    .where('owner_id', '=', ownerId)
    .orderBy('created_at_us')
    .orderBy('id')
    .execute();
}

export async function membersOf(db: Reader, containerId: string): Promise<MemberRow[]> {
  return await db
    .selectFrom('secret_container_member')
    .selectAll()
    .where('container_id', '=', containerId)
    .orderBy('name')
    .orderBy('secret_id')
    .execute();
}

interface Owned {
  readonly id: string;
  readonly project_id: string;
  readonly creator_id: string;
}

/** What rules see of a secret or container; undefined when the caller may not know that it is there. */
async function accessOf(
  request: Request,
  db: Reader,
  row: Owned,
): Promise<PolicyTarget | undefined> {
  const caller = callerOf(request);
  const acl = await aclOf(db, row.id);
  const reads = acl !== undefined && usersOf(acl).includes(caller.userId);
  const system = caller.credentials.system_scope === 'all';
  if (row.project_id !== caller.projectId && !reads && !system) return undefined;
  return {
    project_id: row.project_id,
    creator_id: row.creator_id,
    read_project_access: acl === undefined || acl.project_access === 1,
    ...(reads ? { read: 'read' } : {}),
  };
}

const noSecret = () => missing('Secret not found.');
export const noContainer = () => missing('Secrets container not found.');

/** The `target` of routes under `/v1/secrets/:secret_id`. */
export function secretTarget(core: SecretCore) {
  return async (request: Request): Promise<PolicyTarget> => {
    const row = await secretOf(core, request);
    const secret = await accessOf(request, core.db, row);
    if (secret === undefined) throw noSecret();
    return { target: { secret } };
  };
}

/** For handlers: the route's target has told that the caller may know of it. */
export async function secretOf(
  core: SecretCore,
  request: Request,
  db: Reader = core.db,
): Promise<SecretRow> {
  const id = parameter(request, 'secret_id');
  if (!isUuid(id)) throw missing('Not Found. Provided secret id is invalid.');
  const row = await findSecret(core, db, id.toLowerCase());
  if (row === undefined) throw noSecret();
  return row;
}

export function containerTarget(core: SecretCore) {
  return async (request: Request): Promise<PolicyTarget> => {
    const row = await containerOf(core, request);
    const container = await accessOf(request, core.db, row);
    if (container === undefined) throw noContainer();
    return { target: { container } };
  };
}

export async function containerOf(
  core: SecretCore,
  request: Request,
  db: Reader = core.db,
): Promise<ContainerRow> {
  const id = parameter(request, 'container_id');
  if (!isUuid(id)) throw missing('Not Found. Provided container id is invalid.');
  const row = await db
    .selectFrom('secret_container')
    .selectAll()
    .where('id', '=', id.toLowerCase())
    .executeTakeFirst();
  if (row === undefined) throw noContainer();
  return row;
}

export function orderTarget(core: SecretCore) {
  return async (request: Request): Promise<PolicyTarget> => {
    const { project_id, creator_id } = await orderOf(core, request);
    return { target: { order: { project_id, creator_id } } };
  };
}

export async function orderOf(
  core: SecretCore,
  request: Request,
  db: Reader = core.db,
): Promise<OrderRow> {
  const row = await db
    .selectFrom('secret_order')
    .selectAll()
    .where('id', '=', parameter(request, 'order_id').toLowerCase())
    .executeTakeFirst();
  if (row === undefined || row.project_id !== callerOf(request).projectId)
    throw missing('Order not found.');
  return row;
}

/** The id at the end of a reference; whose host is named in it is not for us to judge behind proxies. */
export function idOfRef(ref: string, collection: string): string | undefined {
  const found = new RegExp(`(?:^|/)${collection}/([0-9a-fA-F-]{36})/?$`).exec(ref)?.[1];
  return found !== undefined && isUuid(found) ? found.toLowerCase() : undefined;
}
