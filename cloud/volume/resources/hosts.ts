/** Hosts of volume services, and what each has; deprecated upstream, still asked for. */
import { sql } from 'kysely';
import type { Route } from '../../api/index.ts';
import { parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import { notFound } from '../failures.ts';
import * as fields from '../fields.ts';
import type { View } from '../views.ts';

const policy = 'volume_extension:hosts';

export function hostRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const hosts = (request: Request): View[] => {
    const zone = request.query.get('zone') ?? core.settings.zone;
    if (zone !== core.settings.zone) return [];
    return ['scheduler', 'volume', 'backup'].map((service) => ({
      host_name: service === 'volume' ? `${core.host}@pileus` : core.host,
      service: `cinder-${service}`,
      zone,
      'service-status': 'available',
      'service-state': 'enabled',
      'last-update': fields.timeOf(core.clock.nowUs()),
    }));
  };
  return [
    ...scoped({
      method: 'GET',
      path: '/os-hosts',
      policy,
      handle: (request) => ({ body: { hosts: hosts(request) } }),
    }),
    ...scoped({
      method: 'GET',
      path: '/os-hosts/:host',
      policy,
      handle: async (request) => {
        const host = parameter(request, 'host');
        if (!hosts(request).some(({ host_name: name }) => name === host))
          throw notFound('Host', host);
        return { body: { host: await resourcesOf(core, host) } };
      },
    }),
  ];
}

/** In all first, then by project. */
async function resourcesOf(core: VolumeCore, host: string): Promise<View[]> {
  const sums = (table: 'volume' | 'volume_snapshot') =>
    core.db
      .selectFrom(table)
      .select((select) => [
        'project_id',
        select.fn.countAll<number>().as('count'),
        select.fn.coalesce(select.fn.sum<number>('size_gib'), sql<number>`0`).as('gib'),
      ])
      .groupBy('project_id')
      .orderBy('project_id')
      .execute();
  const [volumes, snapshots] = await Promise.all([sums('volume'), sums('volume_snapshot')]);
  const add = (rows: readonly { count: number; gib: number }[], field: 'count' | 'gib') =>
    String(rows.reduce((sum, row) => sum + Number(row[field]), 0));
  const view = (project: string, of: typeof volumes, shots: typeof snapshots): View => ({
    resource: {
      host,
      project,
      volume_count: add(of, 'count'),
      total_volume_gb: add(of, 'gib'),
      snapshot_count: add(shots, 'count'),
      total_snapshot_gb: add(shots, 'gib'),
    },
  });
  const only = <T extends { project_id: string }>(rows: readonly T[], id: string) =>
    rows.filter((row) => row.project_id === id);
  return [
    view('(total)', volumes, snapshots),
    ...volumes.map(({ project_id: id }) => view(id, only(volumes, id), only(snapshots, id))),
  ];
}
