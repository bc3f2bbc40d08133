/** Writes one inventory: a listing as compressed CSV objects, and a manifest that names them. */

import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { type Clock, type Random, randomUuid } from '#common';
import type { Container, ObjectService, VersionSummary } from '../../objects/index.ts';
import type { Inventory, InventoryField } from '../config/inventory.ts';
import { untilDate } from '../config/object-lock.ts';
import { listedEtag } from '../manifest-etag.ts';
import { standardClass } from '../storage-class.ts';

export interface ReportContext {
  readonly objects: ObjectService;
  readonly clock: Clock;
  readonly random: Random;
}

const pageMax = 1_000;

/** Fields that the listing's rows do not show. */
const ofTheRow: ReadonlySet<InventoryField> = new Set([
  'EncryptionStatus',
  'ObjectLockRetainUntilDate',
  'ObjectLockMode',
  'ObjectLockLegalHoldStatus',
  'ChecksumAlgorithm',
]);

export async function writeReport(
  context: ReportContext,
  source: Container,
  inventory: Inventory,
): Promise<void> {
  const { objects, clock, random } = context;
  const target = await objects.containers.open(source.account, inventory.bucket);
  const nowMs = clock.nowUs() / 1000;
  const folder = inventory.prefix === '' ? '' : `${inventory.prefix.replace(/\/$/, '')}/`;
  const base = `${folder}${source.name}/${inventory.id}`;
  const data = `${base}/data/${randomUuid(random)}.csv.gz`;
  const rows = Readable.from(csvRows(context, source, inventory), { objectMode: false });
  const written = await objects.objects.put({
    container: target,
    name: data,
    body: rows.pipe(createGzip()),
    contentType: 'application/gzip',
    mode: 'strict',
  });
  const manifest = JSON.stringify(
    {
      sourceBucket: source.name,
      destinationBucket: `arn:aws:s3:::${inventory.bucket}`,
      version: '2016-11-30',
      creationTimestamp: String(Math.floor(nowMs)),
      fileFormat: 'CSV',
      fileSchema: columnsOf(inventory).join(', '),
      files: [{ key: data, size: written.info.size, MD5checksum: written.info.etag }],
    },
    undefined,
    2,
  );
  const stamp = `${new Date(nowMs).toISOString().slice(0, 16).replace(':', '-')}Z`;
  const put = (name: string, text: string) =>
    objects.objects.put({
      container: target,
      name: `${base}/${stamp}/${name}`,
      body: Buffer.from(text),
      contentType: 'application/json',
      mode: 'strict',
    });
  await put('manifest.json', manifest);
  await put('manifest.checksum', createHash('md5').update(manifest).digest('hex'));
}

function columnsOf({ allVersions, fields }: Inventory): readonly string[] {
  const versions = allVersions ? ['VersionId', 'IsLatest', 'IsDeleteMarker'] : [];
  return ['Bucket', 'Key', ...versions, ...fields];
}

async function* csvRows(
  context: ReportContext,
  source: Container,
  inventory: Inventory,
): AsyncGenerator<Buffer, void, undefined> {
  let at: { nameMarker?: string; versionMarker?: string } = {};
  for (;;) {
    const page = await context.objects.containers.listVersions(source, {
      limit: pageMax,
      ...(inventory.filterPrefix === '' ? {} : { prefix: inventory.filterPrefix }),
      ...at,
    });
    let text = '';
    for (const entry of page.entries) {
      if (entry.prefix !== undefined) continue;
      at = { nameMarker: entry.name, versionMarker: entry.position };
      if (inventory.allVersions || (entry.isLatest && !entry.isDeleteMarker))
        text += await csvRow(context, source, { entry, inventory });
    }
    if (text !== '') yield Buffer.from(text);
    if (!page.more) return;
  }
}

interface Row {
  readonly entry: VersionSummary;
  readonly inventory: Inventory;
}

async function csvRow(
  { objects }: ReportContext,
  source: Container,
  { entry, inventory }: Row,
): Promise<string> {
  const { name, versionId } = entry;
  const needsRow = !entry.isDeleteMarker && inventory.fields.some((field) => ofTheRow.has(field));
  const choice = versionId === 'null' && !inventory.allVersions ? {} : { versionId };
  const info = needsRow
    ? await objects.objects.head({ container: source, name }, choice)
    : undefined;
  const system = info?.system ?? {};
  const until = system['lock-until'];
  const values: Readonly<Record<InventoryField, string>> = {
    Size: entry.isDeleteMarker ? '' : String(entry.size),
    LastModifiedDate: new Date(entry.modifiedUs / 1000).toISOString(),
    StorageClass: entry.isDeleteMarker ? '' : (entry.storageClass ?? standardClass),
    ETag: entry.isDeleteMarker ? '' : listedEtag(entry),
    IsMultipartUploaded: String(entry.etag.includes('-')),
    ReplicationStatus: '',
    EncryptionStatus:
      system.sse === undefined
        ? 'NOT-SSE'
        : system.sse === 'AES256'
          ? 'SSE-S3'
          : system.sse === 'aws:kms'
            ? 'SSE-KMS'
            : 'SSE-C',
    ObjectLockRetainUntilDate: until === undefined ? '' : untilDate(until),
    ObjectLockMode: system['lock-mode'] ?? '',
    ObjectLockLegalHoldStatus: system['legal-hold'] === 'ON' ? 'On' : 'Off',
    ChecksumAlgorithm:
      Object.keys(info?.checksums ?? {})
        .find((word) => /^(crc|sha)/.test(word))
        ?.toUpperCase() ?? '',
  };
  const versions = inventory.allVersions
    ? [versionId, String(entry.isLatest), String(entry.isDeleteMarker)]
    : [];
  const key = encodeURIComponent(name).replaceAll('%2F', '/').replaceAll('%20', '+');
  const cells = [source.name, key, ...versions, ...inventory.fields.map((field) => values[field])];
  return `${cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(',')}\n`;
}
