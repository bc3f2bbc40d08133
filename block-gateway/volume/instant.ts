/**
 * Instants of the retained past. Entries are noted with the time at which they were written, so the content at an instant is the last base
 * before it, the segments after that, and of the segment in which the instant lies the entries before the first note of a later time.
 */
import { Failure } from '#common';
import { timeEntry } from './entries.ts';
import type { HistoryEntry, Manifest, Run, VolumeHead } from './head.ts';
import type { ManifestLoader } from './manifest-loader.ts';
import { closeRuns } from './past.ts';
import type { SegmentHeader } from './segment-format.ts';

/** The oldest instant that can be asked for, in milliseconds; undefined when no past is kept. */
export function oldestInstantMs(head: VolumeHead, nowMs: number): number | undefined {
  if ((head.retentionS ?? 0) === 0) return undefined;
  const base = head.history?.[0]?.atUs ?? head.sinceUs ?? head.createdUs;
  return Math.max(base / 1000, nowMs - (head.retentionS ?? 0) * 1000);
}

/** `end`: the first segment that is not in the store, and thus not looked at. */
export async function findInstant(
  head: VolumeHead,
  loader: ManifestLoader,
  wanted: { readonly atMs: number; readonly nowMs: number; readonly end: number },
): Promise<Manifest> {
  const { atMs, nowMs, end } = wanted;
  const oldest = oldestInstantMs(head, nowMs);
  if (oldest === undefined || atMs < oldest) {
    throw new Failure('conflict', 'not-in-retention', 'That instant is not kept', {
      facts: { atMs, oldestMs: oldest ?? nowMs },
    });
  }
  const now: HistoryEntry = {
    atUs: head.sinceUs ?? head.createdUs,
    ...(head.checkpoint === undefined ? {} : { checkpoint: head.checkpoint }),
    tail: closeRuns(head.tail, end),
  };
  const bases = [...(head.history ?? []), now];
  const base = bases.findLast((entry) => entry.atUs <= atMs * 1000) ?? now;
  const { checkpoint } = base;
  const tail = await runsUntil(base.tail, loader, atMs);
  return { ...(checkpoint === undefined ? {} : { checkpoint }), tail };
}

async function runsUntil(
  runs: readonly Run[],
  loader: ManifestLoader,
  atMs: number,
): Promise<Run[]> {
  const taken: Run[] = [];
  for (const run of runs) {
    for await (const header of loader.headers(run)) {
      const entries = entriesUntil(header, atMs);
      if (entries === undefined) continue;
      const end = header.number + 1;
      return [...taken, { ...run, end, entries }];
    }
    taken.push(run);
  }
  return taken;
}

/** How many of its entries happened by then; undefined when none is known to be later. */
function entriesUntil(header: SegmentHeader, atMs: number): number | undefined {
  const { entries } = header;
  for (let at = 0; at < entries.count; at++)
    if (entries.kind(at) === timeEntry && entries.start(at) > atMs) return at;
  return undefined;
}
