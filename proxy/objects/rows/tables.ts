/** Which rows lie where (docs/formats/object-row.md): table names and keys in one place. */
import { Buffer } from 'node:buffer';
import type { RowRef } from '#cluster';
import type { Container } from '../container-service.ts';

export const objectTable = 'object';
export const versionTable = 'object-version';
export const containerTable = 'container';
export const uploadTable = 'upload';
export const partTable = 'upload-part';

export function accountRef(account: string): RowRef {
  return { table: 'account', partition: account, sort: '' };
}

export function containerRef(account: string, name: string): RowRef {
  return { table: containerTable, partition: account, sort: name };
}

/** The registry of names shared by all accounts. */
export function nameRef(name: string): RowRef {
  return { table: 'bucket-name', partition: name, sort: '' };
}

export function shardPartition(container: Container, shard: number): string {
  return `${container.id}/${shard}`;
}

/** FNV-1a over the UTF-8 bytes: part of the format, since it says where an object's row lies. */
export function shardOf(name: string, shards: number): number {
  if (shards === 1) return 0;
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % shards;
}

export function objectRef(container: Container, name: string): RowRef {
  return {
    table: objectTable,
    partition: shardPartition(container, shardOf(name, container.shards)),
    sort: name,
  };
}

/** An older version, or a delete marker; all of a name stand together, the newest first. */
export function versionRef(container: Container, name: string, order: string): RowRef {
  return {
    table: versionTable,
    partition: shardPartition(container, shardOf(name, container.shards)),
    sort: `${name}\0${order}`,
  };
}

/** Object names hold no NUL, so all uploads of a name stand together, in order of their start. */
export function uploadSort(name: string, uploadId: string): string {
  return `${name}\0${uploadId}`;
}

export function uploadRef(container: Container, name: string, uploadId: string): RowRef {
  return { table: uploadTable, partition: container.id, sort: uploadSort(name, uploadId) };
}

export function partRef(uploadId: string, number: number): RowRef {
  return { table: partTable, partition: uploadId, sort: String(number).padStart(5, '0') };
}
