/**
 * Leads the cluster from one ring to another, wave by wave, while clients work.
 *
 *  1. A wave begins: the next ring comes into force beside the present one. Moving partitions have the owners of both.
 *  2. The replicator fills the new owners. When all partitions of the wave are settled, fences are brought.
 *  3. The wave ends: the next ring alone is in force. What old owners keep is handed back in the background.
 *  4. After the last wave the wanted ring itself is put in force, with its devices.
 *
 * Pausing lets the wave that runs end, and begins no other. Undoing leads back to where it began, by waves as well. Everything is on disk before it is
 * done: a controller that dies goes on where it was.
 */
import { Failure, type Logger, messageOf, type Undo } from '#common';
import type { Replicator } from '#replicator';
import { countWaves, decodeRingFile, encodeRingFile, nextWave, Ring } from '#ring';
import type { DataFolder } from '../data-folder.ts';
import { type ChangeFile, loadChange, saveChange } from './change-file.ts';
import type { ClusterMap } from './cluster-map.ts';
import type { Membership } from './membership.ts';

export interface RingChangeParts {
  readonly folder: DataFolder;
  readonly membership: Membership;
  readonly replicator: Replicator;
  readonly partitionsMax: number;
  readonly log: Logger;
}

export interface RingProgress {
  readonly state: ChangeFile['state'] | 'none' | 'paused';
  readonly epoch: number;
  readonly wave: number;
  readonly waves: number;
  /** Of the wave that runs. */
  readonly settled: number;
  readonly partitions: number;
  readonly moved_bytes: number;
  readonly planned_bytes: number;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly waits_for: readonly string[];
  readonly last_error: string | null;
}

const stepMs = 200;
const base64 = (ring: Ring) => encodeRingFile(ring).toString('base64');
const ringIn = (text: string) => decodeRingFile(Buffer.from(text, 'base64'));

export class RingChange {
  private readonly parts: RingChangeParts;
  private readonly closing = new AbortController();
  private change: ChangeFile | undefined;
  /** The replicator's count when `change.movedBytes` was last brought up to it. */
  private countedBytes: number;
  private lastError: string | undefined;

  constructor(parts: RingChangeParts) {
    this.parts = parts;
    this.change = loadChange(parts.folder);
    this.countedBytes = parts.replicator.status().movedBytes;
  }

  start(opened: Undo): void {
    const running = this.run();
    opened.add(async () => {
      this.closing.abort();
      await running;
    });
  }

  get isRunning(): boolean {
    const state = this.change?.state;
    return (
      state === 'running' || state === 'undoing' || this.parts.membership.map.next !== undefined
    );
  }

  begin(target: Ring, plannedBytes: number): void {
    const { membership, partitionsMax } = this.parts;
    if (this.isRunning)
      throw new Failure(
        'conflict',
        'ring-change-running',
        'Another change of the ring is under way',
      );
    const { ring } = membership.map;
    this.save({
      ...{ version: 1, state: 'running', paused: false, wavesDone: 0, movedBytes: 0, plannedBytes },
      ...{ from: base64(ring), target: base64(target) },
      startedAt: this.now(),
      waves: countWaves(ring, target, { partitionsMax }),
    });
    this.countedBytes = this.parts.replicator.status().movedBytes;
  }

  pause(): void {
    this.save({ ...this.under(), paused: true });
  }

  resume(): void {
    this.save({ ...this.under(), paused: false });
  }

  undo(): void {
    const change = this.under();
    const { membership, partitionsMax } = this.parts;
    const { ring, next = ring } = membership.map;
    const waves = countWaves(next, ringIn(change.from), { partitionsMax });
    this.save({ ...change, state: 'undoing', paused: false, waves, wavesDone: 0 });
  }

  progress(): RingProgress {
    const { membership, replicator } = this.parts;
    const { change } = this;
    const { moves } = replicator.status();
    const state = change?.paused === true ? 'paused' : (change?.state ?? 'none');
    return {
      state,
      epoch: membership.map.epoch,
      wave: change?.wavesDone ?? 0,
      waves: change?.waves ?? 0,
      ...moves,
      moved_bytes: this.movedBytes(),
      planned_bytes: change?.plannedBytes ?? 0,
      started_at: change?.startedAt ?? null,
      ended_at: change?.endedAt ?? null,
      waits_for: membership.waitsFor,
      last_error: this.lastError ?? null,
    };
  }

  private under(): ChangeFile {
    const { change } = this;
    if (change === undefined || !['running', 'undoing'].includes(change.state))
      throw new Failure('missing', 'no-ring-change', 'No change of the ring is under way');
    return change;
  }

  private async run(): Promise<void> {
    const { signal } = this.closing;
    const { clock } = this.parts.membership;
    while (!signal.aborted) {
      try {
        await this.step(signal);
        this.lastError = undefined;
      } catch (error) {
        if (signal.aborted) return;
        this.lastError = messageOf(error);
        this.parts.log.warn({ err: error }, 'a step of the ring change failed and is made again');
      }
      await clock.sleep(stepMs, signal).catch(() => undefined);
    }
  }

  private async step(signal: AbortSignal): Promise<void> {
    const { membership, partitionsMax } = this.parts;
    const { ring, next } = membership.map;
    if (next !== undefined) {
      await this.endWave(next, signal);
      return;
    }
    const { change } = this;
    if (change === undefined || change.paused) return;
    if (change.state !== 'running' && change.state !== 'undoing') return;
    const goal = ringIn(change.state === 'running' ? change.target : change.from);
    const wave = nextWave(ring, goal, { partitionsMax });
    if (wave === undefined) await this.end(change, goal, signal);
    else await membership.change((map) => ({ ...map, next: wave }), signal);
  }

  private async endWave(next: Ring, signal: AbortSignal): Promise<void> {
    const { membership, replicator } = this.parts;
    const { settled, partitions } = replicator.status().moves;
    if (settled < partitions) return;
    await replicator.bringFences();
    await membership.change((map) => withRing(map, next), signal);
    const { change } = this;
    if (change !== undefined) this.save({ ...change, wavesDone: change.wavesDone + 1 });
  }

  private async end(change: ChangeFile, goal: Ring, signal: AbortSignal): Promise<void> {
    const { membership } = this.parts;
    // Its version goes on rising, whichever way it was reached.
    const version = (membership.map.ring.version ?? 0) + 1;
    const ring = new Ring({ ...goal, version });
    await membership.change((map) => withRing(map, ring), signal);
    const state = change.state === 'running' ? 'done' : 'undone';
    this.save({ ...change, state, endedAt: this.now() });
  }

  private movedBytes(): number {
    const counted = this.parts.replicator.status().movedBytes;
    return (this.change?.movedBytes ?? 0) + counted - this.countedBytes;
  }

  private save(change: ChangeFile): void {
    const movedBytes =
      change.wavesDone === 0 &&
      change.movedBytes === 0 &&
      this.change?.startedAt !== change.startedAt
        ? 0
        : this.movedBytes();
    this.countedBytes = this.parts.replicator.status().movedBytes;
    this.change = { ...change, movedBytes };
    saveChange(this.parts.folder, this.change);
  }

  private now(): string {
    return new Date(this.parts.membership.clock.nowUs() / 1000).toISOString();
  }
}

function withRing({ clusterId, nodes }: ClusterMap, ring: Ring): Omit<ClusterMap, 'epoch'> {
  return { clusterId, nodes, ring };
}
