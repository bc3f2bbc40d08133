/** What a range of a volume is made of. */
import type { ExtentMap, Found } from './extent-map.ts';
import { sectorBytes } from './units.ts';

/** A run of bytes that has data, or reads as zeros because nothing was ever stored for it. */
export interface AllocationRun {
  readonly bytes: number;
  readonly hole: boolean;
}

/** In order, from the beginning of the range, at most `runsMax` runs. */
export function allocationOf(
  map: ExtentMap,
  range: { readonly offset: number; readonly length: number; readonly runsMax: number },
): AllocationRun[] {
  const { offset, length, runsMax } = range;
  const runs: { bytes: number; hole: boolean }[] = [];
  const found: Found = { slot: -1, offset: 0, sectors: 0 };
  for (let at = offset; at < offset + length; ) {
    map.locate(at / sectorBytes, found);
    const bytes = Math.min(found.sectors * sectorBytes, offset + length - at);
    const hole = found.slot < 0;
    const last = runs.at(-1);
    if (last?.hole === hole) last.bytes += bytes;
    else if (runs.length === runsMax) break;
    else runs.push({ bytes, hole });
    at += bytes;
  }
  return runs;
}
