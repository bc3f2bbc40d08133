/** What an image is, as JSON schema: served under `/v2/schemas/`, and what bodies are checked against. */
import type { TSchema } from 'typebox';
import { compileSchema } from '#cloud/api';
import { imageFailure } from '../failures.ts';

export const containerFormats = ['ami', 'ari', 'aki', 'bare', 'ovf', 'ova', 'docker', 'compressed'];
export const diskFormats = [
  ...['ami', 'ari', 'aki', 'vhd', 'vhdx', 'vmdk', 'raw', 'qcow2', 'vdi', 'iso', 'ploop'],
];
export const visibilities = ['community', 'public', 'private', 'shared'];
export const statuses = [
  ...['queued', 'saving', 'active', 'killed', 'deleted', 'uploading', 'importing'],
  ...['pending_delete', 'deactivated'],
];

type Property = Readonly<Record<string, unknown>>;

const text = (description: string, more: Property = {}): Property => ({
  type: 'string',
  description,
  ...more,
});
const nullable = (description: string, more: Property = {}): Property => ({
  type: ['null', 'string'],
  description,
  ...more,
});
const readOnly = { readOnly: true };

export const imageProperties: Readonly<Record<string, Property>> = {
  id: text('An identifier for the image', {
    pattern:
      '^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$',
  }),
  name: nullable('Descriptive name for the image', { maxLength: 255 }),
  status: text('Status of the image', { ...readOnly, enum: statuses }),
  visibility: text('Scope of image accessibility', { enum: visibilities }),
  protected: { type: 'boolean', description: 'If true, image will not be deletable.' },
  os_hidden: {
    type: 'boolean',
    description: 'If true, image will not appear in default image list response.',
  },
  checksum: nullable('md5 hash of image contents.', { ...readOnly, maxLength: 32 }),
  os_hash_algo: nullable('Algorithm to calculate the os_hash_value', {
    ...readOnly,
    maxLength: 64,
  }),
  os_hash_value: nullable(
    'Hexdigest of the image contents using the algorithm specified by the os_hash_algo',
    { ...readOnly, maxLength: 128 },
  ),
  owner: nullable('Owner of the image', { maxLength: 255 }),
  size: { type: ['null', 'integer'], ...readOnly, description: 'Size of image file in bytes' },
  virtual_size: {
    type: ['null', 'integer'],
    ...readOnly,
    description: 'Virtual size of image in bytes',
  },
  container_format: nullable('Format of the container', { enum: [null, ...containerFormats] }),
  disk_format: nullable('Format of the disk', { enum: [null, ...diskFormats] }),
  created_at: text('Date and time of image registration', readOnly),
  updated_at: text('Date and time of the last image modification', readOnly),
  tags: {
    type: 'array',
    description: 'List of strings related to the image',
    items: { type: 'string', maxLength: 255 },
  },
  direct_url: text('URL to access the image file kept in external store', readOnly),
  min_ram: {
    type: 'integer',
    description: 'Amount of ram (in MB) required to boot image.',
    minimum: 0,
    maximum: 2_147_483_647,
  },
  min_disk: {
    type: 'integer',
    description: 'Amount of disk space (in GB) required to boot image.',
    minimum: 0,
    maximum: 2_147_483_647,
  },
  self: text('An image self url', readOnly),
  file: text('An image file url', readOnly),
  stores: text('Store in which image data resides.', readOnly),
  schema: text('An image schema url', readOnly),
  locations: {
    type: 'array',
    description: 'A set of URLs to access the image file kept in external store',
    items: {
      type: 'object',
      properties: {
        url: { type: 'string', maxLength: 255 },
        metadata: { type: 'object' },
        validation_data: {
          type: 'object',
          writeOnly: true,
          additionalProperties: false,
          properties: {
            checksum: { type: 'string', minLength: 32, maxLength: 32 },
            os_hash_algo: { type: 'string', maxLength: 64 },
            os_hash_value: { type: 'string', maxLength: 128 },
          },
          required: ['os_hash_algo', 'os_hash_value'],
        },
      },
      required: ['url', 'metadata'],
    },
  },
};

export const imageSchema = {
  name: 'image',
  properties: imageProperties,
  additionalProperties: { type: 'string' },
  links: [
    { rel: 'self', href: '{self}' },
    { rel: 'enclosure', href: '{file}' },
    { rel: 'describedby', href: '{schema}' },
  ],
};

/** What a client may send: of the base properties their types, of every other one text. */
const check = compileSchema({
  type: 'object',
  properties: Object.fromEntries(
    Object.entries(imageProperties).map(([name, { readOnly: _, ...rest }]) => [
      name,
      withoutWriteOnly(rest),
    ]),
  ),
  additionalProperties: { type: 'string', maxLength: 65_535 },
} as unknown as TSchema);

// The checker is strict: it knows no `writeOnly`.
function withoutWriteOnly(property: unknown): unknown {
  if (typeof property !== 'object' || property === null || Array.isArray(property)) return property;
  return Object.fromEntries(
    Object.entries(property)
      .filter(([name]) => name !== 'writeOnly')
      .map(([name, value]) => [name, withoutWriteOnly(value)]),
  );
}

/** Refuses (400) what is no image, or part of one. */
export function checkImage(document: Readonly<Record<string, unknown>>): void {
  const detail = check(document);
  if (detail !== undefined) throw imageFailure('schema-invalid', { detail });
}

export const baseNames: ReadonlySet<string> = new Set(Object.keys(imageProperties));

/** Names that a client may neither set nor change; the words of the refusal differ. */
export const readOnlyNames: ReadonlySet<string> = new Set([
  ...['created_at', 'updated_at', 'status', 'checksum', 'size', 'virtual_size', 'direct_url'],
  ...['self', 'file', 'schema', 'id', 'os_hash_algo', 'os_hash_value', 'stores'],
]);

export const reserved = (name: string): boolean =>
  ['location', 'deleted', 'deleted_at'].includes(name) || name.startsWith('os_glance');
