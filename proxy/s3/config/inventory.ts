/** Inventories: listings of a bucket that are written into another as CSV objects, nightly or when they are put. */
import { S3Failure } from '../s3-failure.ts';
import type { XmlNode } from '../xml/parse.ts';
import { element, wrap } from '../xml/write.ts';
import { malformed, onlyChild, requiredText, wordOf } from './bucket-document.ts';

export const inventoryFields = [
  'Size',
  'LastModifiedDate',
  'StorageClass',
  'ETag',
  'IsMultipartUploaded',
  'ReplicationStatus',
  'EncryptionStatus',
  'ObjectLockRetainUntilDate',
  'ObjectLockMode',
  'ObjectLockLegalHoldStatus',
  'ChecksumAlgorithm',
] as const;
export type InventoryField = (typeof inventoryFields)[number];

export interface Inventory {
  readonly id: string;
  readonly enabled: boolean;
  readonly bucket: string;
  readonly prefix: string;
  readonly filterPrefix: string;
  readonly allVersions: boolean;
  readonly frequency: 'Daily' | 'Weekly';
  readonly fields: readonly InventoryField[];
}

/** All of a bucket's inventories are one field: id to the inside of its document, as JSON. */
export const inventoryField = 's3-inventory';
export const inventoriesMax = 100;

export function parseInventory(root: XmlNode): Inventory {
  const destination = onlyChild(onlyChild(root, 'Destination') ?? root, 'S3BucketDestination');
  const schedule = onlyChild(root, 'Schedule');
  if (destination === undefined || schedule === undefined) throw malformed();
  const format = requiredText(destination, 'Format');
  if (format !== 'CSV')
    throw new S3Failure('NotImplemented', {
      message: `Inventories are written as CSV, not as ${format}.`,
    });
  if (destination.children('Encryption').length > 0)
    throw new S3Failure('NotImplemented', {
      message: 'Inventories take the encryption of their bucket.',
    });
  const arn = /^arn:aws[a-z-]*:s3:::([^/]+)$/.exec(requiredText(destination, 'Bucket'))?.[1];
  if (arn === undefined) throw malformed();
  const optional = onlyChild(root, 'OptionalFields')?.children('Field') ?? [];
  return {
    id: requiredText(root, 'Id'),
    enabled: wordOf(root.childText('IsEnabled'), ['true', 'false']) === 'true',
    bucket: arn,
    prefix: destination.childText('Prefix') ?? '',
    filterPrefix: onlyChild(root, 'Filter')?.childText('Prefix') ?? '',
    allVersions: wordOf(root.childText('IncludedObjectVersions'), ['All', 'Current']) === 'All',
    frequency: wordOf(schedule.childText('Frequency'), ['Daily', 'Weekly']),
    fields: optional.map(({ text }) => wordOf(text, inventoryFields)),
  };
}

export function renderInventory(inventory: Inventory): string {
  const destination =
    element('Format', 'CSV') +
    element('Bucket', `arn:aws:s3:::${inventory.bucket}`) +
    (inventory.prefix === '' ? '' : element('Prefix', inventory.prefix));
  return (
    wrap('Destination', wrap('S3BucketDestination', destination)) +
    element('IsEnabled', inventory.enabled) +
    (inventory.filterPrefix === ''
      ? ''
      : wrap('Filter', element('Prefix', inventory.filterPrefix))) +
    element('Id', inventory.id) +
    element('IncludedObjectVersions', inventory.allVersions ? 'All' : 'Current') +
    wrap('OptionalFields', inventory.fields.map((field) => element('Field', field)).join('')) +
    wrap('Schedule', element('Frequency', inventory.frequency))
  );
}

export function inventoriesOf(kept: string | undefined): Readonly<Record<string, string>> {
  if (kept === undefined) return {};
  const parsed: unknown = JSON.parse(kept);
  if (typeof parsed !== 'object' || parsed === null) return {};
  return Object.fromEntries(
    Object.entries(parsed).flatMap(([id, inner]) =>
      typeof inner === 'string' ? [[id, inner]] : [],
    ),
  );
}
