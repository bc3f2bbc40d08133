/** The head row of a volume (docs/formats/volume-head.md): who writes it, and what it is made of. */

import type { RowRef } from '#cluster';
import { Failure } from '#common';
import { sectorBytes, volumeBytesMax } from './units.ts';

export const volumeTable = 'volume';

/** Segments `first`, `first + 1` … written under `epoch`; up to `end` (exclusive), or open-ended while its writer may add more. */
export interface Run {
  readonly epoch: number;
  readonly first: number;
  readonly end?: number;
}

export interface CheckpointRef {
  readonly epoch: number;
  readonly serial: number;
  readonly parts: number;
  readonly bytes: number;
  /** The first segment that is not in the checkpoint. */
  readonly next: number;
}

export type HeadState = 'creating' | 'ready' | 'deleting';

export interface VolumeHead {
  readonly id: string;
  readonly name: string;
  readonly project: string;
  readonly sizeBytes: number;
  readonly createdUs: number;
  readonly state: HeadState;
  readonly durability: 'local';
  /** Raised by each opening; the store refuses segments of an older one. */
  readonly epoch: number;
  /** Who opened it last; empty after a clean close. */
  readonly gateway: string;
  readonly checkpoint?: CheckpointRef;
  /** The checkpoint before this one, until its blobs are deleted. */
  readonly retired?: CheckpointRef;
  /** What was written after the checkpoint, in order; only the last run may be open-ended. */
  readonly tail: readonly Run[];
}

export const runsMax = 64;

export function headRef(volumeId: string): RowRef {
  return { table: volumeTable, partition: volumeId, sort: '' };
}

export function encodeHead(head: VolumeHead): Buffer {
  return Buffer.from(JSON.stringify({ format: 'pileus-volume-head', version: 1, ...head }));
}

export function decodeHead(meta: Buffer): VolumeHead {
  const fields = new Fields(parseObject(meta.toString('utf8')));
  if (fields.text('format') !== 'pileus-volume-head' || fields.whole('version') !== 1)
    throw headFailure('format');
  const checkpoint = fields.object('checkpoint');
  const retired = fields.object('retired');
  const tail = fields.list('tail').map((run) => decodeRun(new Fields(run)));
  const state = fields.text('state');
  if (state !== 'creating' && state !== 'ready' && state !== 'deleting') throw headFailure('state');
  if (fields.text('durability') !== 'local') throw headFailure('durability');
  const head: VolumeHead = {
    id: fields.text('id'),
    name: fields.text('name'),
    project: fields.text('project'),
    sizeBytes: fields.whole('sizeBytes'),
    createdUs: fields.whole('createdUs'),
    state,
    durability: 'local',
    epoch: fields.whole('epoch'),
    gateway: fields.text('gateway'),
    ...(checkpoint === undefined ? {} : { checkpoint: decodeCheckpoint(new Fields(checkpoint)) }),
    ...(retired === undefined ? {} : { retired: decodeCheckpoint(new Fields(retired)) }),
    tail,
  };
  checkHead(head);
  return head;
}

function checkHead(head: VolumeHead): void {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(head.id)) throw headFailure('id');
  if (head.sizeBytes % sectorBytes !== 0 || head.sizeBytes > volumeBytesMax)
    throw headFailure('sizeBytes');
  if (head.tail.length > runsMax) throw headFailure('tail');
  let next = head.checkpoint?.next ?? 1;
  for (const [index, run] of head.tail.entries()) {
    const last = index === head.tail.length - 1;
    if (run.first !== next || (run.end === undefined && !last)) throw headFailure('tail');
    next = run.end ?? next;
    if (next < run.first) throw headFailure('tail');
  }
}

function decodeRun(fields: Fields): Run {
  const end = fields.maybeWhole('end');
  return {
    epoch: fields.whole('epoch'),
    first: fields.whole('first'),
    ...(end === undefined ? {} : { end }),
  };
}

function decodeCheckpoint(fields: Fields): CheckpointRef {
  return {
    epoch: fields.whole('epoch'),
    serial: fields.whole('serial'),
    parts: fields.whole('parts'),
    bytes: fields.whole('bytes'),
    next: fields.whole('next'),
  };
}

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Fields of a JSON object, each asked for by the type it must have. */
export class Fields {
  private readonly values: Json;

  constructor(values: Json) {
    this.values = values;
  }

  text(name: string): string {
    const value = this.values[name];
    if (typeof value !== 'string') throw headFailure(name);
    return value;
  }

  whole(name: string): number {
    const value = this.maybeWhole(name);
    if (value === undefined) throw headFailure(name);
    return value;
  }

  maybeWhole(name: string): number | undefined {
    const value = this.values[name];
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
      throw headFailure(name);
    return value;
  }

  object(name: string): Json | undefined {
    const value = this.values[name];
    if (value === undefined) return undefined;
    if (!isObject(value)) throw headFailure(name);
    return value;
  }

  list(name: string): readonly Json[] {
    const value = this.values[name];
    if (!Array.isArray(value) || !value.every(isObject)) throw headFailure(name);
    return value;
  }
}

export function parseObject(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Failure('corrupt', 'volume-head-corrupt', 'A volume row is not JSON', {
      cause: error,
    });
  }
  if (!isObject(value)) throw headFailure('document');
  return value;
}

function headFailure(field: string): Failure {
  return new Failure('corrupt', 'volume-head-corrupt', 'A volume row cannot be understood', {
    facts: { field },
  });
}
