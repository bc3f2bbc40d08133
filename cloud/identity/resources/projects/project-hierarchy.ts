/** What is above and below a project, as lists or as ids: `parents_as_list`, `subtree_as_ids` and so on. */
import { callerOf, type Request } from '../../caller.ts';
import type { IdentityCore } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import { descendantsOf, lineageOf, targetsOfUser } from '../../roles.ts';
import type { ProjectRow } from '../../tables.ts';
import { limitViewsOf } from '../limits/limits.ts';
import { linked, type View } from '../views.ts';
import { projectView } from './projects.ts';

export async function hierarchyOf(
  core: IdentityCore,
  row: ProjectRow,
  request: Request,
): Promise<View> {
  const { query } = request;
  const { db } = core;
  const wanted = (direction: string) => {
    const list = query.has(`${direction}_as_list`);
    const ids = query.has(`${direction}_as_ids`);
    if (list && ids)
      throw identityFailure('schema-invalid', {
        detail: `Use either ${direction}_as_list or ${direction}_as_ids, not both.`,
      });
    return list ? 'list' : ids ? 'ids' : undefined;
  };
  const view: View = {};
  const limits = query.has('include_limits');
  const up = wanted('parents');
  if (up !== undefined) {
    const parents = await lineageOf(db, row.id);
    view.parents = up === 'list' ? await shown(core, request, parents, limits) : idsAbove(parents);
  }
  const down = wanted('subtree');
  if (down !== undefined) {
    const below = await descendantsOf(db, [row.id]);
    view.subtree =
      down === 'list' ? await shown(core, request, below, limits) : idsBelow(row.id, below);
  }
  return view;
}

/** Lists hold what the caller has a role on. */
async function shown(
  core: IdentityCore,
  request: Request,
  rows: readonly ProjectRow[],
  limits: boolean,
): Promise<View[]> {
  const held = await targetsOfUser(core.db, callerOf(request).userId, 'project');
  const mine = new Set(held.map((project) => project.id));
  const views: View[] = [];
  for (const row of rows.filter((project) => mine.has(project.id))) {
    const view = linked(request, 'projects', projectView(row));
    const more = limits ? { limits: await limitViewsOf(core.db, row.id) } : {};
    views.push({ project: { ...view, ...more } });
  }
  return views;
}

const idsAbove = (parents: readonly ProjectRow[]): View | null =>
  [...parents].reverse().reduce<View | null>((inner, parent) => ({ [parent.id]: inner }), null);

function idsBelow(id: string, rows: readonly ProjectRow[]): View | null {
  const children = rows.filter((row) => row.parent_id === id);
  if (children.length === 0) return null;
  return Object.fromEntries(children.map((child) => [child.id, idsBelow(child.id, rows)]));
}
