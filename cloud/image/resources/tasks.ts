/** The tasks API, for administrators: what imports ran, and imports by task as older clients make them. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import {
  callerOf,
  type ImageCaller,
  parameter,
  projectOf,
  type Request,
  route,
} from '../caller.ts';
import { objectAt } from '../content/user-objects.ts';
import { checkUri } from '../content/web-download.ts';
import type { ImageCore } from '../core.ts';
import { conflict, imageFailure, invalid, missing } from '../failures.ts';
import { columnsOf, insertImage, writeParts } from '../images/changing.ts';
import { reserve } from '../images/quotas.ts';
import { baseNames, checkImage, readOnlyNames, reserved } from '../images/schema.ts';
import type { TaskRow } from '../tables.ts';
import { startTask } from '../tasks/task-rows.ts';
import { isoTime } from '../times.ts';

export function taskView(row: TaskRow) {
  return {
    id: row.id,
    type: row.type,
    status: row.status,
    owner: row.owner,
    input: JSON.parse(row.input) as unknown,
    result: row.result === null ? null : (JSON.parse(row.result) as unknown),
    message: row.message,
    image_id: row.image_id,
    user_id: row.user_id,
    request_id: row.request_id,
    created_at: isoTime(row.created_at_us),
    updated_at: isoTime(row.updated_at_us),
    ...(row.expires_at_us === null ? {} : { expires_at: isoTime(row.expires_at_us) }),
    self: `/v2/tasks/${row.id}`,
    schema: '/v2/schemas/task',
  };
}

const taskBody = Type.Object({
  type: Type.String({ maxLength: 64 }),
  input: Type.Object(
    {
      import_from: Type.Optional(Type.String()),
      import_from_format: Type.Optional(Type.String({ maxLength: 255 })),
      image_properties: Type.Optional(Type.Object({}, { additionalProperties: true })),
    },
    { additionalProperties: true },
  ),
});

export function taskRoutes(core: ImageCore): Route<ImageCaller>[] {
  return [
    route({
      method: 'GET',
      path: '/v2/tasks',
      policy: 'tasks_api_access',
      handle: (request) => listTasks(core, request),
    }),
    route({
      method: 'POST',
      path: '/v2/tasks',
      policy: 'tasks_api_access',
      body: taskBody,
      handle: async (request) => {
        const row = await createTask(core, request, request.body);
        return { status: 201, body: taskView(row), headers: { Location: `/v2/tasks/${row.id}` } };
      },
    }),
    route({
      method: 'GET',
      path: '/v2/tasks/:task_id',
      policy: 'tasks_api_access',
      handle: async (request) => {
        const id = parameter(request, 'task_id');
        const row = await core.db
          .selectFrom('image_task')
          .selectAll()
          .where('id', '=', id)
          .executeTakeFirst();
        if (row === undefined)
          throw missing(`Failed to find task ${id.slice(0, 64)} to get task info.`);
        return { body: taskView(row) };
      },
    }),
    route({
      method: 'DELETE',
      path: '/v2/tasks/:task_id',
      policy: 'tasks_api_access',
      handle: () => {
        throw imageFailure('method-not-allowed');
      },
    }),
  ];
}

async function listTasks(core: ImageCore, request: Request) {
  const { query } = request;
  const limitText = query.get('limit') ?? String(core.settings.limitDefault);
  if (!/^\d{1,9}$/.test(limitText)) throw invalid('limit param must be an integer');
  const limit = Math.min(Number(limitText), core.settings.limitMax);
  let found = core.db.selectFrom('image_task').selectAll();
  for (const name of ['status', 'type', 'owner'] as const) {
    const value = query.get(name);
    if (value !== null) found = found.where(name, '=', value as never);
  }
  const ascending = query.get('sort_dir') === 'asc';
  const marker = query.get('marker');
  if (marker !== null) {
    const after = await core.db
      .selectFrom('image_task')
      .select('created_at_us')
      .where('id', '=', marker)
      .executeTakeFirst();
    if (after === undefined) throw invalid(`Marker ${marker.slice(0, 64)} could not be found.`);
    const beyond = ascending ? '>' : '<';
    found = found.where((where) =>
      where.or([
        where('created_at_us', beyond, after.created_at_us),
        where.and([where('created_at_us', '=', after.created_at_us), where('id', beyond, marker)]),
      ]),
    );
  }
  const direction = ascending ? 'asc' : 'desc';
  const rows = await found
    .orderBy('created_at_us', direction)
    .orderBy('id', direction)
    .limit(limit + 1)
    .execute();
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  const next = new URLSearchParams(query);
  if (last !== undefined) next.set('marker', last.id);
  return {
    body: {
      // A listing leaves out what may be long.
      tasks: page.map((row) => {
        const { input, result, message, ...rest } = taskView(row);
        return rest;
      }),
      first: '/v2/tasks',
      schema: '/v2/schemas/tasks',
      ...(rows.length > limit ? { next: `/v2/tasks?${next}` } : {}),
    },
  };
}

/** `import` makes an image of what it is given and downloads its data. */
async function createTask(
  core: ImageCore,
  request: Request,
  body: {
    readonly type: string;
    readonly input: {
      readonly import_from?: string;
      readonly import_from_format?: string;
      readonly image_properties?: object;
    };
  },
): Promise<TaskRow> {
  const { type, input } = body;
  if (type !== 'import')
    throw invalid(`Invalid task type: ${type.slice(0, 64)}. Supported: import`);
  for (const name of ['import_from', 'import_from_format', 'image_properties'] as const)
    if (input[name] === undefined) throw invalid(`Input does not contain '${name}' field`);
  const from = input.import_from ?? '';
  const object = await objectAt(core, request, from);
  const uri = object === undefined ? checkUri(core.settings, from).href : from;
  const properties: Record<string, unknown> = { ...input.image_properties };
  for (const name of Object.keys(properties))
    if (readOnlyNames.has(name) || reserved(name))
      throw conflict(`Attribute '${name}' is reserved.`);
  const document = {
    disk_format: input.import_from_format,
    container_format: 'bare',
    ...properties,
  };
  checkImage(document);
  const owner = projectOf(request);
  return await core.change(async (tx) => {
    const id = core.newId();
    await reserve(core, tx, { id, owner }, { count_total: 1 });
    await insertImage(core, tx, id, { ...columnsOf(document), owner });
    const extra = Object.entries(properties).filter(([name]) => !baseNames.has(name));
    await writeParts(tx, id, {
      tags: [],
      properties: new Map(extra.map(([name, value]) => [name, String(value)])),
    });
    return await startTask(core, tx, {
      type: 'import',
      owner,
      imageId: id,
      userId: callerOf(request).userId,
      requestId: request.requestId,
      input,
      source: { method: 'web-download', uri, ...(object === undefined ? {} : { object }) },
    });
  });
}
