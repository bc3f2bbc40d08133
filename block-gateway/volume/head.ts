/** The head row of a volume (docs/formats/volume-head.md): who writes it, and what it is made of. */

import type { RowRef } from '#cluster';
import { Fields, headFailure, type Json, parseObject } from './fields.ts';
import { decodeQos, type VolumeQos } from './qos.ts';
import { sectorBytes, volumeBytesMax } from './units.ts';

export const volumeTable = 'volume';

/**
 * Segments `first`, `first + 1` … written under `epoch`; up to `end` (exclusive), or open-ended while its writer may add more.
 * `volume` wrote them, when that is another one; of the last segment only the first `entries` count, when that is there.
 */
export interface Run {
  readonly volume?: string;
  readonly epoch: number;
  readonly first: number;
  readonly end?: number;
  readonly entries?: number;
}

export interface CheckpointRef {
  /** Whose checkpoint it is, when it is another volume's. */
  readonly volume?: string;
  readonly epoch: number;
  readonly serial: number;
  readonly parts: number;
  readonly bytes: number;
  /** The first segment that is not in the checkpoint. */
  readonly next: number;
}

/** All of a volume's content at one point: a checkpoint and the segments after it, in order. */
export interface Manifest {
  readonly checkpoint?: CheckpointRef;
  readonly tail: readonly Run[];
}

/** What a volume was made of from `atUs` on, until the next entry (or the head's own `sinceUs`). All runs are closed. */
export interface HistoryEntry extends Manifest {
  readonly atUs: number;
}

/** `gone`: deleted, and kept only for what clones of it share. */
export type HeadState = 'creating' | 'ready' | 'deleting' | 'gone';
const headStates: readonly HeadState[] = ['creating', 'ready', 'deleting', 'gone'];
export type Durability = 'local' | 'replicated';

/** The cipher, the key of the key store, and the data keys of the volume and of those it shares segments with, wrapped by it. */
export interface HeadEncryption {
  readonly keyId: string;
  readonly cipher: 'aes-256-xts';
  readonly keys: Readonly<Record<string, string>>;
}

export interface VolumeHead extends Manifest {
  readonly id: string;
  readonly name: string;
  readonly project: string;
  readonly sizeBytes: number;
  readonly createdUs: number;
  readonly state: HeadState;
  readonly durability: Durability;
  /** Never written again. */
  readonly sealed?: boolean;
  readonly qos?: VolumeQos;
  readonly encryption?: HeadEncryption;
  readonly retentionS?: number;
  /** What its first content was, and which of its parent's pins keeps that. */
  readonly parent?: { readonly volume: string; readonly pin: string };
  /** Holders of blobs that are no segments: the images this volume was made from. */
  readonly hold?: string;
  /** Raised by each opening; the store refuses segments of an older one. */
  readonly epoch: number;
  /** Who opened it last; empty after a clean close. */
  readonly gateway: string;
  /** Since when `checkpoint` and `tail` are what the volume is made of. */
  readonly sinceUs?: number;
  /** Checkpoints that nothing needs any more, until their blobs are deleted. */
  readonly retired?: readonly CheckpointRef[];
  /** What it was made of before, back to the beginning of its retention. Oldest first. */
  readonly history?: readonly HistoryEntry[];
  /** What it was made of before it was reverted: the next opening takes over the segments. */
  readonly abandoned?: readonly Manifest[];
}

/** Who has a volume that was taken from its gateway by force: nobody, but it was not closed. */
export const nobody = '-';

export const runsMax = 1024;
export const historyMax = 32;

export function headRef(volumeId: string): RowRef {
  return { table: volumeTable, partition: volumeId, sort: '' };
}

/** The number of the first segment that a volume nobody has open doesn't have. */
export function endOf(head: VolumeHead): number {
  const last = head.tail.at(-1);
  return last === undefined ? (head.checkpoint?.next ?? 1) : (last.end ?? last.first);
}

export function encodeHead(head: VolumeHead): Buffer {
  return Buffer.from(JSON.stringify({ format: 'pileus-volume-head', version: 2, ...head }));
}

export function decodeHead(meta: Buffer): VolumeHead {
  const fields = new Fields(parseObject(meta.toString('utf8')));
  const version = fields.whole('version');
  if (fields.text('format') !== 'pileus-volume-head' || version < 1 || version > 2)
    throw headFailure('format');
  const state = headStates.find((one) => one === fields.text('state'));
  if (state === undefined) throw headFailure('state');
  const durability = fields.text('durability');
  if (durability !== 'local' && durability !== 'replicated') throw headFailure('durability');
  const head: VolumeHead = {
    id: fields.text('id'),
    name: fields.text('name'),
    project: fields.text('project'),
    sizeBytes: fields.whole('sizeBytes'),
    createdUs: fields.whole('createdUs'),
    state,
    durability,
    epoch: fields.whole('epoch'),
    gateway: fields.text('gateway'),
    ...decodeManifest(fields),
    ...decodeRetired(fields, version),
    ...(version === 1 ? {} : decodeNewer(fields)),
  };
  checkHead(head);
  return head;
}

/** What version 2 added. */
function decodeNewer(fields: Fields): Partial<VolumeHead> {
  const qos = fields.object('qos');
  const encryption = fields.object('encryption');
  const parent = fields.object('parent');
  const history = fields.maybeList('history');
  const abandoned = fields.maybeList('abandoned');
  const hold = fields.maybeText('hold');
  const retentionS = fields.maybeWhole('retentionS');
  const sinceUs = fields.maybeWhole('sinceUs');
  return {
    ...(fields.flag('sealed') ? { sealed: true } : {}),
    ...(qos === undefined ? {} : { qos: decodeQos(qos) }),
    ...(encryption === undefined ? {} : { encryption: decodeEncryption(new Fields(encryption)) }),
    ...(parent === undefined ? {} : { parent: decodeParent(new Fields(parent)) }),
    ...(history === undefined ? {} : { history: history.map(decodeEntry) }),
    ...(abandoned === undefined
      ? {}
      : { abandoned: abandoned.map((one) => decodeManifest(new Fields(one))) }),
    ...(hold === undefined ? {} : { hold }),
    ...(retentionS === undefined ? {} : { retentionS }),
    ...(sinceUs === undefined ? {} : { sinceUs }),
  };
}

function decodeRetired(fields: Fields, version: number): Partial<VolumeHead> {
  if (version === 1) {
    const retired = fields.object('retired');
    return retired === undefined ? {} : { retired: [decodeCheckpoint(new Fields(retired))] };
  }
  const list = fields.maybeList('retired');
  if (list === undefined) return {};
  return { retired: list.map((one) => decodeCheckpoint(new Fields(one))) };
}

function decodeEntry(values: Json): HistoryEntry {
  const fields = new Fields(values);
  return { atUs: fields.whole('atUs'), ...decodeManifest(fields) };
}

function decodeParent(fields: Fields): { volume: string; pin: string } {
  return { volume: fields.text('volume'), pin: fields.text('pin') };
}

export function decodeEncryption(fields: Fields): HeadEncryption {
  if (fields.text('cipher') !== 'aes-256-xts') throw headFailure('cipher');
  const keys = new Fields(fields.object('keys') ?? {});
  const wrapped = keys.names().map((name) => [name, keys.text(name)] as const);
  return {
    keyId: fields.text('keyId'),
    cipher: 'aes-256-xts',
    keys: Object.fromEntries(wrapped),
  };
}

export function decodeManifest(fields: Fields): Manifest {
  const checkpoint = fields.object('checkpoint');
  return {
    ...(checkpoint === undefined ? {} : { checkpoint: decodeCheckpoint(new Fields(checkpoint)) }),
    tail: fields.list('tail').map((run) => decodeRun(new Fields(run))),
  };
}

const idPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function isVolumeId(text: string): boolean {
  return idPattern.test(text);
}

function checkHead(head: VolumeHead): void {
  if (!isVolumeId(head.id)) throw headFailure('id');
  if (head.sizeBytes % sectorBytes !== 0 || head.sizeBytes > volumeBytesMax)
    throw headFailure('sizeBytes');
  checkTail(head);
}

/** Numbers only rise; after a revert they rise by more than one, since those in between are others' names. */
export function checkTail(manifest: Manifest): void {
  if (manifest.tail.length > runsMax) throw headFailure('tail');
  let next = manifest.checkpoint?.next ?? 1;
  for (const [index, run] of manifest.tail.entries()) {
    const last = index === manifest.tail.length - 1;
    if (run.first < next || (run.end === undefined && !last)) throw headFailure('tail');
    next = run.end ?? run.first;
    if (next < run.first) throw headFailure('tail');
  }
}

function decodeRun(fields: Fields): Run {
  const end = fields.maybeWhole('end');
  const volume = fields.maybeText('volume');
  const entries = fields.maybeWhole('entries');
  return {
    ...(volume === undefined ? {} : { volume }),
    epoch: fields.whole('epoch'),
    first: fields.whole('first'),
    ...(end === undefined ? {} : { end }),
    ...(entries === undefined ? {} : { entries }),
  };
}

function decodeCheckpoint(fields: Fields): CheckpointRef {
  const volume = fields.maybeText('volume');
  return {
    ...(volume === undefined ? {} : { volume }),
    epoch: fields.whole('epoch'),
    serial: fields.whole('serial'),
    parts: fields.whole('parts'),
    bytes: fields.whole('bytes'),
    next: fields.whole('next'),
  };
}
