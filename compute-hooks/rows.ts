/** Finding rows for requests: what a caller may not know of is not there. */
import { callerOf, parameter, type Request } from './caller.ts';
import type { ComputeCore, Db, Tx } from './core.ts';
import { computeFailure } from './failures.ts';
import type { DiskRow, PortRow, ServerRow } from './tables.ts';

type Reader = Db | Tx;

export const serverMissing = (id: string) =>
  computeFailure('missing', { why: `Instance ${id} could not be found.` });

export async function findServer(db: Reader, id: string): Promise<ServerRow | undefined> {
  return db
    .selectFrom('compute_server')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at_us', 'is', null)
    .executeTakeFirst();
}

/** The server, when the caller may see it; the same 404 for what is not there and for what is another project's. */
export async function visibleServer(db: Reader, request: Request, id: string): Promise<ServerRow> {
  const row = await findServer(db, id);
  const caller = callerOf(request);
  if (row === undefined || (!caller.isAdmin && row.project_id !== caller.projectId))
    throw serverMissing(id);
  return row;
}

export const theServer = (core: ComputeCore, request: Request, from: Reader = core.db) =>
  visibleServer(from, request, parameter(request, 'server_id'));

/** What policy rules see of the server named in the path. */
export function serverTarget(core: ComputeCore) {
  return async (request: Request) => {
    const row = await theServer(core, request);
    return { project_id: row.project_id, user_id: row.user_id };
  };
}

export async function disksOf(db: Reader, serverId: string): Promise<DiskRow[]> {
  return db
    .selectFrom('compute_disk')
    .selectAll()
    .where('server_id', '=', serverId)
    .orderBy('created_at_us')
    .orderBy('device')
    .execute();
}

export async function portsOf(db: Reader, serverId: string): Promise<PortRow[]> {
  return db
    .selectFrom('compute_port')
    .selectAll()
    .where('server_id', '=', serverId)
    .orderBy('position')
    .execute();
}
