/**
 * The bytes of backups (docs/formats/volume-backup.md): objects with the ranges that changed, each readable by itself, and a manifest
 * that lists them. Data that is sealed in the volume stays sealed.
 */
import { EntryList, entriesMax, entryBytes } from '../volume/entries.ts';
import { Fields, headFailure, parseObject } from '../volume/fields.ts';
import { decodeEncryption, type HeadEncryption } from '../volume/head.ts';
import type { LineCipher } from '../volume/line-cipher.ts';
import { encodeLines, lineTrailerBytes, openLine } from '../volume/segment-format.ts';
import { lineBytes, sectorBytes } from '../volume/units.ts';
import {
  corruptFormat,
  headerCrc,
  readU64,
  volumeIdBytes,
  volumeIdText,
  writeU64,
} from '../volume/words.ts';
import type { BackupRecord } from './backup-types.ts';

const magic = 0x4b425650; // "PVBK"
const version = 1;
const fixedBytes = 64;
const crcAt = 60;
export const backupDataBytesMax = 8 * 1024 * 1024;
/** What an object is at most: header, entries, data and the trailers of its lines. */
export const backupObjectBytesMax = 10 * 1024 * 1024;

export interface BackupObject {
  readonly volume: string;
  readonly number: number;
  readonly entries: EntryList;
  readonly data: Buffer;
}

export function encodeBackupObject(object: BackupObject, cipher?: LineCipher): Buffer[] {
  const { volume, number, entries, data } = object;
  const header = Buffer.alloc(fixedBytes + entries.count * entryBytes);
  header.writeUInt32LE(magic, 0);
  header.writeUInt16LE(version, 4);
  header.writeUInt32LE(entries.count, 8);
  header.writeUInt32LE(data.length, 12);
  volumeIdBytes(volume).copy(header, 16);
  writeU64(header, number, 32);
  header.writeUInt8(cipher === undefined ? 0 : 1, 40);
  entries.encode(header, fixedBytes, 0, entries.count);
  header.writeUInt32LE(headerCrc(header, crcAt), crcAt);
  return [header, ...encodeLines(data, { number, epoch: 0 }, cipher)];
}

export function decodeBackupObject(
  source: Buffer,
  wanted: { readonly volume: string; readonly number: number },
  cipher?: LineCipher,
): BackupObject {
  if (source.length < fixedBytes || source.readUInt32LE(0) !== magic)
    throw corruptFormat('backup-magic');
  if (source.readUInt16LE(4) !== version) throw corruptFormat('backup-version');
  const count = source.readUInt32LE(8);
  const dataBytes = source.readUInt32LE(12);
  const headerBytes = fixedBytes + count * entryBytes;
  const sane =
    count <= entriesMax && dataBytes <= backupDataBytesMax && dataBytes % sectorBytes === 0;
  if (!sane || source.length < headerBytes)
    throw corruptFormat('backup-length', { count, dataBytes });
  const header = source.subarray(0, headerBytes);
  if (headerCrc(header, crcAt) !== header.readUInt32LE(crcAt))
    throw corruptFormat('backup-header-checksum');
  const volume = volumeIdText(header.subarray(16, 32));
  const number = readU64(header, 32);
  if (volume !== wanted.volume || number !== wanted.number) throw corruptFormat('backup-identity');
  if (header.readUInt8(40) === 1 && cipher === undefined) throw corruptFormat('backup-sealed');
  const entries = new EntryList();
  const sectors = entries.decode(header, fixedBytes, count);
  if (sectors * sectorBytes !== dataBytes) throw corruptFormat('backup-data-length');
  const sealedWith = header.readUInt8(40) === 1 ? cipher : undefined;
  const data = Buffer.alloc(dataBytes);
  for (let line = 0, at = headerBytes; line * lineBytes < dataBytes; line++) {
    const length = Math.min(lineBytes, dataBytes - line * lineBytes);
    const stored = source.subarray(at, at + length + lineTrailerBytes);
    const segment = { number, epoch: 0, cipher: sealedWith };
    openLine(stored, length, segment, line).copy(data, line * lineBytes);
    at += length + lineTrailerBytes;
  }
  return { volume, number, entries, data };
}

export interface BackupManifest {
  readonly volume: string;
  readonly sizeBytes: number;
  readonly createdUs: number;
  /** Objects are numbered from 1. */
  readonly objects: number;
  readonly dataBytes: number;
  readonly encryption?: HeadEncryption;
}

export function objectName(prefix: string, number: number): string {
  return `${prefix}/${String(number).padStart(8, '0')}`;
}

export function manifestName(prefix: string): string {
  return `${prefix}/manifest`;
}

export function encodeManifest(manifest: BackupManifest): Buffer {
  return Buffer.from(JSON.stringify({ format: 'pileus-volume-backup', version: 1, ...manifest }));
}

export function decodeBackupManifest(source: Buffer): BackupManifest {
  const fields = new Fields(parseObject(source.toString('utf8')));
  if (fields.text('format') !== 'pileus-volume-backup' || fields.whole('version') !== 1)
    throw headFailure('format');
  const encryption = fields.object('encryption');
  return {
    volume: fields.text('volume'),
    sizeBytes: fields.whole('sizeBytes'),
    createdUs: fields.whole('createdUs'),
    objects: fields.whole('objects'),
    dataBytes: fields.whole('dataBytes'),
    ...(encryption === undefined ? {} : { encryption: decodeEncryption(new Fields(encryption)) }),
  };
}

export function encodeBackupRecord(record: BackupRecord): Buffer {
  const text = { format: 'pileus-volume-backup-record', version: 1, ...record };
  return Buffer.from(`${JSON.stringify(text)}\n`);
}

/** A record that was kept outside, or came from elsewhere. */
export function decodeBackupRecord(source: Buffer): BackupRecord {
  const fields = new Fields(parseObject(source.toString('utf8')));
  if (fields.text('format') !== 'pileus-volume-backup-record' || fields.whole('version') !== 1)
    throw headFailure('format');
  return {
    id: fields.text('id'),
    volume: fields.text('volume'),
    snapshot: fields.text('snapshot'),
    sizeBytes: fields.whole('sizeBytes'),
    createdUs: fields.whole('createdUs'),
    prefix: fields.text('prefix'),
    chain: fields.texts('chain'),
    objects: fields.whole('objects'),
    changedBytes: fields.whole('changedBytes'),
    shippedBytes: fields.whole('shippedBytes'),
  };
}
