/**
 * Where two points of a volume may differ, told by where their data lies: the same place in the same segment is the same data. Data that reclaim
 * moved looks changed here; nothing that changed looks the same.
 */
import type { Found } from './extent-map.ts';
import type { VolumeState } from './reader.ts';
import { sectorBytes } from './units.ts';

export interface DifferenceRun {
  readonly bytes: number;
  readonly differs: boolean;
}

export interface DifferenceRange {
  readonly offset: number;
  readonly length: number;
  readonly runsMax: number;
}

export function differenceOf(
  now: VolumeState,
  then: VolumeState,
  range: DifferenceRange,
): DifferenceRun[] {
  const { offset, length, runsMax } = range;
  const runs: { bytes: number; differs: boolean }[] = [];
  const a: Found = { slot: -1, offset: 0, sectors: 0 };
  const b: Found = { slot: -1, offset: 0, sectors: 0 };
  for (let at = offset; at < offset + length; ) {
    now.map.locate(at / sectorBytes, a);
    then.map.locate(at / sectorBytes, b);
    const sectors = Math.min(a.sectors, b.sectors);
    const bytes = Math.min(sectors * sectorBytes, offset + length - at);
    const differs = !samePlace(now, a, then, b);
    const last = runs.at(-1);
    if (last?.differs === differs) last.bytes += bytes;
    else if (runs.length === runsMax) break;
    else runs.push({ bytes, differs });
    at += bytes;
  }
  return runs;
}

function samePlace(now: VolumeState, a: Found, then: VolumeState, b: Found): boolean {
  if (a.slot < 0 || b.slot < 0) return a.slot < 0 && b.slot < 0;
  if (a.offset !== b.offset) return false;
  const mine = now.segments.get(a.slot);
  const theirs = then.segments.get(b.slot);
  return mine.blobId === theirs.blobId && mine.headerBytes === theirs.headerBytes;
}
