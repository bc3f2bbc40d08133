/** What a backup keeps of its volume beside the bytes, so that what is restored is known by the same words and boots. */
import Type, { type Static } from 'typebox';
import { Value } from 'typebox/value';
import * as fields from './fields.ts';
import type { VolumeRow } from './tables.ts';

export const backedUpVolume = Type.Object(
  {
    name: fields.optional(fields.text),
    description: fields.optional(fields.text),
    bootable: Type.Optional(Type.Boolean()),
    metadata: Type.Optional(fields.metadata),
    // An image's properties have longer values than a volume's metadata.
    imageMetadata: Type.Optional(
      Type.Record(Type.String({ pattern: '^.{1,255}$' }), Type.String({ maxLength: 65_535 }), {
        additionalProperties: false,
        maxProperties: 512,
      }),
    ),
  },
  { additionalProperties: false },
);
type BackedUp = Static<typeof backedUpVolume>;

export function keptOf(volume: VolumeRow): string {
  const kept: BackedUp = {
    name: volume.name,
    description: volume.description,
    bootable: volume.bootable === 1,
    metadata: fields.parseMap(volume.metadata_json),
    imageMetadata: fields.parseMap(volume.image_metadata_json),
  };
  return JSON.stringify(kept);
}

/** Columns of a volume that is restored from it; of backups that kept nothing, none. */
export function restoredColumns(
  stored: string,
): Partial<Pick<VolumeRow, 'bootable' | 'metadata_json' | 'image_metadata_json'>> {
  const { bootable, metadata, imageMetadata } = parse(stored);
  return {
    ...(bootable === undefined ? {} : { bootable: bootable ? 1 : 0 }),
    ...(metadata === undefined ? {} : { metadata_json: JSON.stringify(metadata) }),
    ...(imageMetadata === undefined ? {} : { image_metadata_json: JSON.stringify(imageMetadata) }),
  };
}

/** Names of one that nobody named: its own, as upstream has it. */
export function restoredNames(stored: string): Partial<Pick<VolumeRow, 'name' | 'description'>> {
  const { name, description } = parse(stored);
  return name ? { name, description: description ?? null } : {};
}

function parse(stored: string): BackedUp {
  const value: unknown = JSON.parse(stored);
  return Value.Check(backedUpVolume, value) ? value : {};
}
