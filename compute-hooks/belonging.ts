/** What belongs to a host: the disks of the servers that are there, or are on their way there or from there. */
import type { ComputeCore } from './core.ts';

/** Of a move that has not ended. */
const underWay = ['running', 'migrating', 'pre-migrating'];

export async function isDiskAt(
  core: ComputeCore,
  host: string,
  disk: { readonly volume: string; readonly attachment: string },
): Promise<boolean> {
  const server = await core.db
    .selectFrom('compute_disk')
    .innerJoin('compute_server', 'compute_server.id', 'compute_disk.server_id')
    .select(['compute_server.id', 'compute_server.host'])
    .where('compute_disk.id', '=', disk.attachment)
    .where('compute_disk.volume_id', '=', disk.volume)
    .executeTakeFirst();
  if (server === undefined) return false;
  if (server.host === host) return true;
  const move = await core.db
    .selectFrom('compute_migration')
    .select('id')
    .where('server_id', '=', server.id)
    .where('status', 'in', underWay)
    .where((where) => where.or([where('target_host', '=', host), where('source_host', '=', host)]))
    .executeTakeFirst();
  return move !== undefined;
}
