/** What a run does: kinds of operations, sizes, how many at a time, how long. Text forms are parsed here. */
import { Failure } from '#common';

export const operationKinds = ['read', 'write', 'list', 'delete'] as const;
export type OperationKind = (typeof operationKinds)[number];

export interface SizeShare {
  readonly sizeBytes: number;
  readonly weight: number;
}

export interface ObjectWorkload {
  /** How the row is called in results and comparisons. */
  readonly name: string;
  readonly mix: Readonly<Record<OperationKind, number>>;
  readonly sizes: readonly SizeShare[];
  readonly concurrency: number;
  readonly durationS: number;
  readonly warmUpS: number;
  /** Objects of each size that reads choose from. */
  readonly population: number;
  /** Rows that one list operation reads, over as many pages as the server needs. */
  readonly listRows: number;
  /** Objects laid out beforehand; with more than `listRows`, a list operation begins at any of them. */
  readonly listed: { readonly objects: number; readonly sizeBytes: number };
  /** Threads that make the load. */
  readonly workers: number;
  /** Every this many reads the whole body is compared. */
  readonly verifyEvery: number;
}

export interface VolumeWorkload {
  readonly name: string;
  readonly pattern: 'randread' | 'randwrite' | 'read' | 'write';
  readonly blockBytes: number;
  readonly depth: number;
  /** A flush after this many writes; 0 for none. */
  readonly flushEvery: number;
  readonly durationS: number;
  readonly warmUpS: number;
  /** The part of the volume that is used. */
  readonly spanBytes: number;
}

export const bounds = {
  concurrencyMax: 1024,
  workersMax: 16,
  durationSMax: 24 * 3600,
  sizeBytesMax: 1024 ** 3,
  sizesMax: 16,
  listRowsMax: 1_000_000,
  populationMax: 1_000_000,
  listedMax: 1_900_000,
} as const;

const units: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 1024,
  KIB: 1024,
  M: 1024 ** 2,
  MIB: 1024 ** 2,
  G: 1024 ** 3,
  GIB: 1024 ** 3,
};

/** `4KiB`, `64k`, `1048576` → bytes. */
export function parseSize(text: string): number {
  const match = /^(\d{1,15})([A-Za-z]*)$/.exec(text.trim());
  const unit = units[(match?.[2] ?? '?').toUpperCase()];
  if (!match || unit === undefined)
    throw invalid('size', text, 'a size is like 4KiB, 1MiB or 4096');
  return Number(match[1]) * unit;
}

/** `4KiB=80,1MiB=20` → shares; a single size needs no weight. */
export function parseSizes(text: string): SizeShare[] {
  const shares = parseShares(text).map(([size, weight]) => ({
    sizeBytes: parseSize(size),
    weight,
  }));
  for (const { sizeBytes } of shares) {
    if (sizeBytes > bounds.sizeBytesMax)
      throw invalid('size', text, 'an object is at most 1 GiB here');
  }
  if (shares.length > bounds.sizesMax) throw invalid('sizes', text, 'too many sizes');
  return shares;
}

/** `read=70,write=20,list=5,delete=5` → weights of every kind. */
export function parseMix(text: string): Record<OperationKind, number> {
  const mix = { read: 0, write: 0, list: 0, delete: 0 };
  for (const [kind, weight] of parseShares(text)) {
    const known = operationKinds.find((candidate) => candidate === kind);
    if (!known) throw invalid('mix', text, `operations are ${operationKinds.join(', ')}`);
    mix[known] = weight;
  }
  if (operationKinds.every((kind) => mix[kind] === 0)) throw invalid('mix', text, 'nothing to do');
  return mix;
}

function parseShares(text: string): [string, number][] {
  return text.split(',').map((part) => {
    const [name, weight = '1'] = part.split('=');
    if (!name || !/^\d{1,6}(\.\d{1,6})?$/.test(weight)) {
      throw invalid('shares', text, 'shares are like a=3,b=1');
    }
    return [name.trim(), Number(weight)];
  });
}

function invalid(what: string, text: string, sentence: string): Failure {
  return new Failure('invalid', `bench-${what}`, sentence, { facts: { given: text } });
}

/** Objects of a size that reads choose from: what the workload says, but at most 64 MiB of each size. */
export function populationOf(workload: ObjectWorkload, sizeBytes: number): number {
  const fitting = Math.floor((64 * 1024 ** 2) / Math.max(1, sizeBytes));
  return Math.max(8, Math.min(workload.population, fitting));
}

/** Names that writes cycle through, at most 256 MiB of each size. */
export function writtenNamesOf(sizeBytes: number): number {
  return Math.max(16, Math.min(20_000, Math.floor((256 * 1024 ** 2) / Math.max(1, sizeBytes))));
}
