/** The JSON schemas that clients read before they use the API. */
import type { Route } from '#cloud/api';
import { type ImageCaller, route } from '../caller.ts';
import { imageSchema } from '../images/schema.ts';
import { metadefSchemas } from '../metadefs/schemas.ts';

const text = { type: 'string' };
const time = { type: 'string', format: 'date-time' };

const memberSchema = {
  name: 'member',
  properties: {
    created_at: { ...text, description: 'Date and time of image member creation' },
    image_id: {
      ...text,
      description: 'An identifier for the image',
      pattern:
        '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$',
    },
    member_id: { ...text, description: 'An identifier for the image member (tenantId)' },
    status: {
      ...text,
      description: 'The status of this image member',
      enum: ['pending', 'accepted', 'rejected'],
    },
    updated_at: { ...text, description: 'Date and time of last modification of image member' },
    schema: { ...text, readOnly: true },
  },
};

const taskSchema = {
  name: 'task',
  properties: {
    id: { ...text, description: 'An identifier for the task' },
    type: {
      ...text,
      description: 'The type of task represented by this content',
      enum: ['import', 'api_image_import', 'location_import'],
    },
    status: {
      ...text,
      description: 'The current status of this task',
      enum: ['pending', 'processing', 'success', 'failure'],
    },
    input: { type: ['null', 'object'], description: 'The parameters required by task, JSON blob' },
    result: { type: ['null', 'object'], description: 'The result of current task, JSON blob' },
    owner: { ...text, description: 'An identifier for the owner of this task' },
    message: {
      ...text,
      description:
        'Human-readable informative message only included when appropriate (usually on failure)',
    },
    image_id: { ...text, description: 'Image associated with the task' },
    request_id: { ...text, description: 'Human-readable informative request-id' },
    user_id: { ...text, description: 'User associated with the task' },
    expires_at: { ...time, description: 'Datetime when this resource would be subject to removal' },
    created_at: { ...time, description: 'Datetime when this resource was created' },
    updated_at: { ...time, description: 'Datetime when this resource was updated' },
    self: text,
    schema: text,
  },
};

/** A collection of what `of` describes. */
function collection(name: string, of: object) {
  return {
    name,
    properties: {
      [name]: { type: 'array', items: of },
      first: text,
      next: text,
      schema: text,
    },
    links: [
      { rel: 'first', href: '{first}' },
      { rel: 'next', href: '{next}' },
      { rel: 'describedby', href: '{schema}' },
    ],
  };
}

const schemas: Readonly<Record<string, unknown>> = {
  image: imageSchema,
  images: collection('images', imageSchema),
  member: memberSchema,
  members: {
    name: 'members',
    properties: { members: { type: 'array', items: memberSchema }, schema: text },
    links: [{ rel: 'describedby', href: '{schema}' }],
  },
  task: taskSchema,
  tasks: collection('tasks', taskSchema),
};

export function schemaRoutes(): Route<ImageCaller>[] {
  const all = { ...schemas, ...metadefSchemas };
  return Object.entries(all).map(([name, body]) =>
    route({
      method: 'GET',
      path: `/v2/schemas/${name}`,
      policy: 'any-token',
      handle: () => ({ body }),
    }),
  );
}
