/** The retained past of a volume: what the head was made of before, kept so that any instant of it can be put together again. */
import {
  type CheckpointRef,
  type HistoryEntry,
  historyMax,
  type Manifest,
  type Run,
  runsMax,
  type VolumeHead,
} from './head.ts';
import { headNeeds } from './pin-set.ts';

/** Joins runs that are one: the same writer, without a gap, and none of it left out. */
export function joinRuns(runs: readonly Run[]): Run[] {
  const joined: Run[] = [];
  for (const run of runs) {
    if (run.end === run.first) continue;
    const last = joined.at(-1);
    const follows =
      last !== undefined &&
      last.epoch === run.epoch &&
      last.volume === run.volume &&
      last.end === run.first &&
      last.entries === undefined;
    if (follows) joined[joined.length - 1] = { ...last, ...run, first: last.first };
    else joined.push(run);
  }
  return joined;
}

/** The runs up to segment `end` (exclusive), all closed. */
export function closeRuns(runs: readonly Run[], end: number): Run[] {
  const closed: Run[] = [];
  for (const run of runs) {
    if (run.first >= end) break;
    closed.push({ ...run, end: Math.min(run.end ?? end, end) });
  }
  return joinRuns(closed);
}

/** What is left of the runs from segment `first` on. */
export function runsFrom(runs: readonly Run[], first: number): Run[] {
  return runs.flatMap((run) => {
    if (run.end !== undefined && run.end <= first) return [];
    return [{ ...run, first: Math.max(run.first, first) }];
  });
}

export interface NewBase {
  readonly manifest: Manifest;
  /** The first segment that `manifest` stands for in place of what the head was made of. */
  readonly next: number;
  readonly nowUs: number;
  /** What was left behind by a revert is in the new base's table. */
  readonly settled?: boolean;
}

/**
 * The head with a new base: what it was made of until now goes into the past while the volume keeps one, and what nothing refers to any more
 * is retired.
 */
export function rebase(head: VolumeHead, base: NewBase): VolumeHead {
  const { checkpoint: old, history: before = [], retired = [], abandoned = [], ...rest } = head;
  const { nowUs, manifest } = base;
  const left = base.settled === true ? [] : abandoned;
  const entry: HistoryEntry = {
    atUs: head.sinceUs ?? head.createdUs,
    ...(old === undefined ? {} : { checkpoint: old }),
    tail: closeRuns(head.tail, base.next),
  };
  const retention = (head.retentionS ?? 0) * 1e6;
  const history = retention === 0 ? [] : prune([...before, entry], nowUs, nowUs - retention);
  const fresh: VolumeHead = {
    ...rest,
    ...manifest,
    sinceUs: nowUs,
    ...some('history', history),
    ...some('abandoned', left),
  };
  const candidates = [old, ...[...before, ...abandoned].map((one) => one.checkpoint)];
  const gone = candidates.filter(
    (one): one is CheckpointRef =>
      one !== undefined && one.volume === undefined && !headNeeds(fresh, one),
  );
  return { ...fresh, ...some('retired', [...retired, ...gone]) };
}

function some<K extends string, T>(name: K, list: readonly T[]): { [k in K]?: readonly T[] } {
  return list.length === 0 ? {} : ({ [name]: list } as { [k in K]: readonly T[] });
}

/** Drops what ended before `oldestUs`, and of too many entries those in between: their runs go to the one before. */
function prune(entries: readonly HistoryEntry[], nowUs: number, oldestUs: number): HistoryEntry[] {
  const kept = entries.filter((_entry, at) => (entries[at + 1]?.atUs ?? nowUs) > oldestUs);
  const few: HistoryEntry[] = [];
  const spacing = (nowUs - oldestUs) / historyMax;
  for (const entry of kept) {
    const last = few.at(-1);
    const joins =
      last !== undefined &&
      entry.atUs - last.atUs < spacing &&
      entry.checkpoint !== undefined &&
      continues(last, entry.checkpoint);
    if (joins) few[few.length - 1] = { ...last, tail: joinRuns([...last.tail, ...entry.tail]) };
    else few.push(entry);
  }
  while (few.length > 2 * historyMax || runsOf(few) > runsMax) few.shift();
  return few;
}

/** After a revert the next base is not what the runs before lead to. */
function continues(entry: HistoryEntry, checkpoint: CheckpointRef): boolean {
  const end = entry.tail.at(-1)?.end ?? entry.checkpoint?.next ?? 1;
  return end === checkpoint.next && checkpoint.volume === undefined;
}

function runsOf(entries: readonly HistoryEntry[]): number {
  return entries.reduce((sum, entry) => sum + entry.tail.length, 0);
}
