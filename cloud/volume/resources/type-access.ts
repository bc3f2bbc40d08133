/** Which projects may use a private volume type, and which type a project's volumes get when none is asked for. */
import Type from 'typebox';
import type { Route } from '../../api/index.ts';
import { parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import { notFound, volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { onDuplicate } from './removal.ts';
import { visibleType } from './types.ts';

const projectBody = Type.Object({ project: Type.String({ minLength: 1, maxLength: 255 }) });
const actionBody = Type.Object(
  {
    addProjectAccess: Type.Optional(projectBody),
    removeProjectAccess: Type.Optional(projectBody),
  },
  { additionalProperties: false, minProperties: 1, maxProperties: 1 },
);

export function typeAccessRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const { db } = core;
  const theType = (request: Request) => visibleType(db, request, parameter(request, 'type_id'));
  return [
    ...scoped({
      method: 'GET',
      path: '/types/:type_id/os-volume-type-access',
      policy: 'volume_extension:volume_type_access:get_all_for_type',
      handle: async (request) => {
        const type = await theType(request);
        if (type.is_public === 1)
          throw notFound('Access list not available for public volume types; type', type.id);
        const rows = await db
          .selectFrom('volume_type_access')
          .selectAll()
          .where('type_id', '=', type.id)
          .orderBy('project_id')
          .execute();
        const access = rows.map((row) => ({
          volume_type_id: row.type_id,
          project_id: row.project_id,
        }));
        return { body: { volume_type_access: access } };
      },
    }),
    ...scoped({
      method: 'POST',
      path: '/types/:type_id/action',
      policy: 'volume_extension:volume_type_access:addProjectAccess',
      body: actionBody,
      handle: async (request) => {
        const type = await theType(request);
        if (type.is_public === 1)
          throw volumeFailure('refused-conflict', {
            why: 'Type access modification is not applicable to public volume type.',
          });
        const { addProjectAccess: added, removeProjectAccess: removed } = request.body;
        if (added !== undefined) await grant(core, type.id, added.project);
        if (removed !== undefined) await revoke(core, type.id, removed.project);
        return { status: 202 };
      },
    }),
    ...scoped({
      method: 'GET',
      path: '/default-types',
      policy: 'volume_extension:default_get_all',
      handle: async () => {
        const rows = await db.selectFrom('volume_default_type').selectAll().execute();
        const views = rows.map((row) => ({
          project_id: row.project_id,
          volume_type_id: row.type_id,
        }));
        return { body: { default_types: views } };
      },
    }),
    ...scoped({
      method: 'GET',
      path: '/default-types/:target_id',
      policy: 'volume_extension:default_get_all',
      handle: async (request) => {
        const projectId = parameter(request, 'target_id');
        const row = await db
          .selectFrom('volume_default_type')
          .selectAll()
          .where('project_id', '=', projectId)
          .executeTakeFirst();
        if (row === undefined) throw notFound('Default type for project', projectId);
        return {
          body: { default_type: { project_id: projectId, volume_type_id: row.type_id } },
        };
      },
    }),
    ...scoped({
      method: 'PUT',
      path: '/default-types/:target_id',
      policy: 'volume_extension:default_set_or_update',
      body: Type.Object(
        { default_type: Type.Object({ volume_type: fields.requiredName }) },
        { additionalProperties: false },
      ),
      handle: async (request) => {
        const projectId = parameter(request, 'target_id');
        const type = await visibleType(db, request, request.body.default_type.volume_type);
        await refuseMissingProject(core, projectId);
        const row = { project_id: projectId, type_id: type.id };
        await db
          .insertInto('volume_default_type')
          .values(row)
          .onConflict((conflict) => conflict.column('project_id').doUpdateSet(row))
          .execute();
        return {
          body: { default_type: { project_id: projectId, volume_type_id: type.id } },
        };
      },
    }),
    ...scoped({
      method: 'DELETE',
      path: '/default-types/:target_id',
      policy: 'volume_extension:default_unset',
      handle: async (request) => {
        await db
          .deleteFrom('volume_default_type')
          .where('project_id', '=', parameter(request, 'target_id'))
          .execute();
        return { status: 204 };
      },
    }),
  ];
}

async function grant(core: VolumeCore, typeId: string, projectId: string): Promise<void> {
  await refuseMissingProject(core, projectId);
  await onDuplicate(
    () =>
      volumeFailure('refused-conflict', {
        why: `Volume type access for ${typeId} / ${projectId} combination already exists.`,
      }),
    () =>
      core.db
        .insertInto('volume_type_access')
        .values({ type_id: typeId, project_id: projectId })
        .execute(),
  );
}

async function revoke(core: VolumeCore, typeId: string, projectId: string): Promise<void> {
  const gone = await core.db
    .deleteFrom('volume_type_access')
    .where('type_id', '=', typeId)
    .where('project_id', '=', projectId)
    .executeTakeFirst();
  if (gone.numDeletedRows === 0n)
    throw notFound('Volume type access', `${typeId} / ${projectId} combination`);
}

async function refuseMissingProject(core: VolumeCore, projectId: string): Promise<void> {
  if (!(await core.projects.exists(projectId)))
    throw volumeFailure('refused', { why: `Project ID ${projectId} is not a valid project.` });
}
