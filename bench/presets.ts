/** Workloads with names: the rows that are compared with other stores, and a mix of a day's work. */
import { Failure } from '#common';
import type { ObjectWorkload, OperationKind, VolumeWorkload } from './workload.ts';

export const presetNames = ['daily', 'million', 'peers', 'quick'] as const;
export type PresetName = (typeof presetNames)[number];

/** What the command line gives to every workload of a preset. */
export interface Pace {
  readonly durationS: number;
  readonly warmUpS: number;
  readonly workers: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const VERIFY_EVERY = 100;
const POPULATION = 500;
const none = { read: 0, write: 0, list: 0, delete: 0 };

function single(
  pace: Pace,
  what: { kind: OperationKind; sizeBytes: number; concurrency: number; listRows?: number },
): ObjectWorkload {
  const verb = { read: 'GET', write: 'PUT', list: 'LIST', delete: 'DELETE' }[what.kind];
  const size =
    what.sizeBytes >= MIB ? `${what.sizeBytes / MIB} MiB` : `${what.sizeBytes / KIB} KiB`;
  return {
    name: `${verb} ${what.kind === 'list' ? `${what.listRows} rows` : size} ×${what.concurrency}`,
    mix: { ...none, [what.kind]: 1 },
    sizes: [{ sizeBytes: what.sizeBytes, weight: 1 }],
    concurrency: what.concurrency,
    listRows: what.listRows ?? 1000,
    listed: { objects: what.listRows ?? 0, sizeBytes: what.sizeBytes },
    verifyEvery: VERIFY_EVERY,
    population: POPULATION,
    ...pace,
  };
}

export function objectPreset(name: PresetName, pace: Pace): ObjectWorkload[] {
  const row = (kind: OperationKind, sizeBytes: number, concurrency: number): ObjectWorkload =>
    single(pace, { kind, sizeBytes, concurrency });
  switch (name) {
    case 'quick':
      return [row('write', 4 * KIB, 32), row('read', 4 * KIB, 32)];
    case 'peers':
      return [
        ...[4 * KIB, 64 * KIB, MIB].flatMap((size) =>
          [1, 8, 32].flatMap((lanes) => [row('write', size, lanes), row('read', size, lanes)]),
        ),
        single(pace, { kind: 'list', sizeBytes: 4 * KIB, concurrency: 1, listRows: 10_000 }),
        row('delete', 4 * KIB, 8),
      ];
    case 'daily':
      return [dailyMix(pace)];
    case 'million':
      return [
        single(pace, {
          kind: 'list',
          sizeBytes: MILLION.sizeBytes,
          concurrency: 1,
          listRows: 10_000,
        }),
        row('write', 4 * KIB, 32),
        row('read', 4 * KIB, 32),
        dailyMix(pace),
      ].map((workload) => ({ ...workload, name: `${workload.name} in 10⁶`, listed: MILLION }));
  }
}

/** What lies in the container of the preset `million` besides what its rows write. */
const MILLION = { objects: 1_000_000, sizeBytes: 128 };

function dailyMix(pace: Pace): ObjectWorkload {
  return {
    name: 'daily mix ×32',
    mix: { read: 70, write: 20, list: 5, delete: 5 },
    sizes: [
      { sizeBytes: 4 * KIB, weight: 70 },
      { sizeBytes: 64 * KIB, weight: 25 },
      { sizeBytes: MIB, weight: 5 },
    ],
    concurrency: 32,
    listRows: 1000,
    listed: { objects: 1000, sizeBytes: 4 * KIB },
    verifyEvery: VERIFY_EVERY,
    population: POPULATION,
    ...pace,
  };
}

export function volumePreset(name: PresetName, pace: Pace, spanBytes: number): VolumeWorkload[] {
  const { durationS, warmUpS } = pace;
  const row = (
    pattern: VolumeWorkload['pattern'],
    blockBytes: number,
    depth: number,
    flushEvery = 0,
  ): VolumeWorkload => {
    const block = blockBytes >= MIB ? '1m' : `${blockBytes / KIB}k`;
    const flush = flushEvery > 0 ? ` flush/${flushEvery}` : '';
    const label = `${pattern} ${block} ×${depth}${flush}`;
    return { name: label, pattern, blockBytes, depth, flushEvery, durationS, warmUpS, spanBytes };
  };
  const [read, write] = [row('randread', 4 * KIB, 16), row('randwrite', 4 * KIB, 32, 32)];
  switch (name) {
    case 'quick':
      return [read, write];
    case 'million':
      throw new Failure('invalid', 'bench-preset', 'The preset million is of objects, not volumes');
    case 'daily':
      return [read, write, row('read', MIB, 16), row('write', MIB, 16)];
    case 'peers':
      return [
        ...[row('randread', 4 * KIB, 1), read],
        ...[row('randwrite', 4 * KIB, 1), row('randwrite', 4 * KIB, 32), write],
        ...[row('randwrite', 4 * KIB, 1, 1), row('randwrite', 4 * KIB, 16, 1)],
        ...[row('read', MIB, 16), row('write', MIB, 16)],
      ];
  }
}

export function parsePreset(text: string): PresetName {
  const known = presetNames.find((name) => name === text);
  if (known) return known;
  throw new Failure('invalid', 'bench-preset', `Presets are ${presetNames.join(', ')}`, {
    facts: { given: text },
  });
}
