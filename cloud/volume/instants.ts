/** Instants that a request names: of a volume whose type keeps its past (`pileus:retention`). */
import type { VolumeCore } from './core.ts';
import { volumeFailure } from './failures.ts';
import { timeOf } from './fields.ts';

/** In scheduler hints when a volume is made of a volume, and in metadata when a snapshot is taken. */
export const asOfName = 'pileus:as-of';

/** ISO 8601 as clients write it; without a zone it is UTC, as everywhere in this API. */
const instant = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?$/;

export function parseInstant(text: string): number {
  const [, , , zone] = instant.exec(text.trim()) ?? [];
  const atMs = Date.parse(
    zone === undefined ? `${text.trim().replace(' ', 'T')}Z` : text.trim().replace(' ', 'T'),
  );
  if (instant.test(text.trim()) && Number.isFinite(atMs)) return atMs;
  throw volumeFailure('invalid-input', {
    why: `${asOfName} must be a time such as 2026-11-28T08:00:00Z, not '${text.slice(0, 64)}'.`,
  });
}

/** Refuses an instant that is not kept; a later look by the engine decides. */
export async function keptInstant(
  core: VolumeCore,
  volumeId: string,
  text: string,
): Promise<number> {
  const atMs = parseInstant(text);
  const { oldestMs } = await core.engine.get(volumeId);
  if (oldestMs === undefined)
    throw volumeFailure('invalid-volume', {
      why: `Volume ${volumeId} keeps no past: its type has no pileus:retention.`,
    });
  const nowMs = core.clock.nowUs() / 1000;
  if (atMs >= oldestMs && atMs <= nowMs) return atMs;
  throw volumeFailure('invalid-input', {
    why: `Volume ${volumeId} can be read as of ${timeOf(Math.ceil(oldestMs) * 1000)}Z to now, not as of ${text.slice(0, 64)}.`,
  });
}
