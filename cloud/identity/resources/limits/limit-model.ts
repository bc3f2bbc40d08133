/** The strict two-level model: a project's limit is never above its domain's, whichever of the two is written. */
import type { Db, IdentityCore } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { FullLimit } from './limits.ts';

/** Refuses limits that do not fit those above and below them, those of the same request included. */
export async function refuseUnfit(
  core: IdentityCore,
  rows: readonly FullLimit[],
  db: Db,
): Promise<void> {
  if (core.settings.limitModel === 'flat') return;
  for (const row of rows) {
    const others = await besides(row, rows, db);
    const fits =
      row.target_type === 'project'
        ? row.resource_limit <= (others.domain ?? Number.POSITIVE_INFINITY)
        : others.projects.every((limit) => limit <= row.resource_limit);
    if (!fits) throw unfit(row);
  }
}

interface Besides {
  /** What the domain allows: its own limit, or the registered default. */
  readonly domain: number | undefined;
  readonly projects: readonly number[];
}

async function besides(row: FullLimit, written: readonly FullLimit[], db: Db): Promise<Besides> {
  const stored = await db
    .selectFrom('identity_limit')
    .innerJoin('identity_project', 'identity_project.id', 'identity_limit.target_id')
    .select(['target_id', 'target_type', 'domain_id', 'resource_limit'])
    .where('registered_limit_id', '=', row.registered_limit_id)
    .execute();
  const project = await db
    .selectFrom('identity_project')
    .select('domain_id')
    .where('id', '=', row.target_id)
    .executeTakeFirst();
  const domainId = project?.domain_id ?? row.target_id;
  const now = new Map(stored.map((one) => [one.target_id, one.resource_limit]));
  for (const one of written)
    if (one.registered_limit_id === row.registered_limit_id)
      now.set(one.target_id, one.resource_limit);
  const registered = await db
    .selectFrom('identity_registered_limit')
    .select('default_limit')
    .where('id', '=', row.registered_limit_id)
    .executeTakeFirst();
  return {
    domain: now.get(domainId) ?? registered?.default_limit,
    projects: stored
      .filter((one) => one.target_type === 'project' && one.domain_id === domainId)
      .map((one) => now.get(one.target_id) ?? one.resource_limit),
  };
}

function unfit(row: FullLimit) {
  const facts = [
    `${row.target_type}_id: ${row.target_id}`,
    `resource_name: ${row.resource_name}`,
    `resource_limit: ${row.resource_limit}`,
    `service_id: ${row.service_id}`,
    `region_id: ${row.region_id === '' ? 'None' : row.region_id}`,
  ].join(', ');
  return identityFailure('forbidden', {
    why: `Invalid resource limit: The resource limit (${facts}) doesn't satisfy current hierarchy model..`,
  });
}
