/** An image as clients see it. */
import { isoTime } from '../times.ts';
import type { ImageRecord } from './records.ts';

/** The one store there is: the cloud's own object storage. */
export const storeId = 'pileus';

export const hashAlgorithm = 'sha512';

export type View = Readonly<Record<string, unknown>>;

/** How an import goes, store by store, in the words that clients wait for. */
const importView = ({ status, reason }: ImageRecord): View => ({
  os_glance_importing_to_stores: status === 'importing' ? storeId : '',
  os_glance_failed_import: reason === '' ? '' : storeId,
});

export function imageView(image: ImageRecord): View {
  const self = `/v2/images/${image.id}`;
  return {
    ...Object.fromEntries(image.properties),
    ...(image.wasImported ? importView(image) : {}),
    // Why the last attempt to give it data failed; users of other clouds would have to ask an operator.
    ...(image.reason === '' ? {} : { os_glance_failed_reason: image.reason }),
    name: image.name,
    disk_format: image.disk_format,
    container_format: image.container_format,
    visibility: image.visibility,
    size: image.size,
    virtual_size: image.virtual_size,
    status: image.status,
    checksum: image.checksum,
    protected: image.protected === 1,
    min_ram: image.min_ram,
    min_disk: image.min_disk,
    owner: image.owner,
    os_hidden: image.os_hidden === 1,
    os_hash_algo: image.os_hash_value === null ? null : hashAlgorithm,
    os_hash_value: image.os_hash_value,
    id: image.id,
    created_at: isoTime(image.created_at_us),
    updated_at: isoTime(image.updated_at_us),
    tags: image.tags,
    self,
    file: `${self}/file`,
    schema: '/v2/schemas/image',
    ...(image.content_id === null ? {} : { stores: storeId }),
  };
}
