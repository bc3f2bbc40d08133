/** The schemas of metadata definitions: served, and what bodies are checked against. */
import Type, { type TSchema } from 'typebox';

const text = { type: 'string' };
const times = { created_at: { ...text, readOnly: true }, updated_at: { ...text, readOnly: true } };
const links = { self: { ...text, readOnly: true }, schema: { ...text, readOnly: true } };
const name = { ...text, maxLength: 80 };
const kinds = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

const propertyFields = {
  title: text,
  description: text,
  operators: { type: 'array', items: text },
  type: { ...text, enum: kinds },
  required: { type: 'array', items: text },
  minimum: { type: 'number' },
  maximum: { type: 'number' },
  maxLength: { type: 'integer', minimum: 0 },
  minLength: { type: 'integer', minimum: 0 },
  pattern: text,
  enum: { type: 'array' },
  readonly: { type: 'boolean' },
  default: {},
  items: {
    type: 'object',
    properties: { type: { ...text, enum: kinds }, enum: { type: 'array' } },
  },
  maxItems: { type: 'integer', minimum: 0 },
  minItems: { type: 'integer', minimum: 0 },
  uniqueItems: { type: 'boolean' },
  additionalItems: { type: 'boolean' },
};

const properties = {
  type: 'object',
  additionalProperties: {
    type: 'object',
    required: ['title', 'type'],
    properties: propertyFields,
  },
};

const objectFields = {
  name,
  description: text,
  required: { type: 'array', items: text },
  properties,
};
const associationFields = {
  name,
  prefix: { ...text, maxLength: 80 },
  properties_target: { ...text, maxLength: 80 },
};
const namespaceFields = {
  namespace: { ...text, maxLength: 80, minLength: 1 },
  display_name: { ...text, maxLength: 80 },
  description: { ...text, maxLength: 500 },
  visibility: { ...text, enum: ['public', 'private'] },
  protected: { type: 'boolean' },
  owner: { ...text, maxLength: 255 },
};
const nested = {
  resource_type_associations: {
    type: 'array',
    items: { type: 'object', required: ['name'], properties: associationFields },
  },
  properties,
  objects: {
    type: 'array',
    items: { type: 'object', required: ['name'], properties: objectFields },
  },
  tags: { type: 'array', items: { type: 'object', required: ['name'], properties: { name } } },
};

const single = (called: string, fields: object, required: readonly string[]) => ({
  name: called,
  required,
  properties: { ...fields, ...times, ...links },
});

const namespace = single('namespace', { ...namespaceFields, ...nested }, ['namespace']);
const object = single('object', objectFields, ['name']);
const property = single('property', { name, ...propertyFields }, ['name', 'title', 'type']);
const tag = single('tag', { name }, ['name']);
const association = single('resource_type_association', associationFields, ['name']);

const collection = (called: string, of: object, asObject = false) => ({
  name: called,
  properties: {
    [called]: asObject
      ? { type: 'object', additionalProperties: of }
      : { type: 'array', items: of },
    ...{ first: text, next: text, schema: text },
  },
  links: [
    { rel: 'first', href: '{first}' },
    { rel: 'next', href: '{next}' },
    { rel: 'describedby', href: '{schema}' },
  ],
});

/** By the last part of their path, `/v2/schemas/…`. */
export const metadefSchemas: Readonly<Record<string, unknown>> = {
  'metadefs/namespace': namespace,
  'metadefs/namespaces': collection('namespaces', namespace),
  'metadefs/object': object,
  'metadefs/objects': collection('objects', object),
  'metadefs/property': property,
  'metadefs/properties': collection('properties', property, true),
  'metadefs/tag': tag,
  'metadefs/tags': collection('tags', tag),
  'metadefs/resource_type': association,
  'metadefs/resource_types': collection('resource_type_associations', association),
};

type Body = Readonly<Record<string, unknown>>;

const body = (fields: object, required: readonly string[]) =>
  Type.Unsafe<Body>({ type: 'object', properties: fields, required } as unknown as TSchema);

export const bodies = {
  namespace: body({ ...namespaceFields, ...nested }, ['namespace']),
  object: body(objectFields, ['name']),
  property: body({ name, ...propertyFields }, ['name', 'title', 'type']),
  tag: body({ name }, ['name']),
  tags: body({ tags: nested.tags }, ['tags']),
  resource_type: body(associationFields, ['name']),
} as const;
