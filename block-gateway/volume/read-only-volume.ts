/** A point of a volume, for reading: a snapshot, an instant, a sealed volume. Somebody's pin keeps what it reads. */
import { Failure } from '#common';
import { type AllocationRun, allocationOf } from './allocation.ts';
import { Ciphers } from './ciphers.ts';
import type { EngineContext } from './context.ts';
import type { HeadEncryption, Manifest } from './head.ts';
import { dropState, ManifestLoader } from './manifest-loader.ts';
import { ReadAhead } from './read-ahead.ts';
import { Reader, type VolumeState } from './reader.ts';
import { checkRange, sectorBytes } from './units.ts';

export interface Point {
  readonly volumeId: string;
  readonly sizeBytes: number;
  readonly manifest: Manifest;
  readonly encryption: HeadEncryption | undefined;
}

export class ReadOnlyVolume {
  readonly id: string;
  readonly sizeBytes: number;
  readonly readOnly = true;
  readonly state: VolumeState;
  private readonly context: EngineContext;
  private readonly reader: Reader;
  private readonly readAhead: ReadAhead;

  static async open(context: EngineContext, point: Point): Promise<ReadOnlyVolume> {
    const { volumeId, sizeBytes, manifest, encryption } = point;
    const ciphers = await Ciphers.open(context.keys, encryption);
    const loader = new ManifestLoader({ context, volumeId, sizeBytes, ciphers });
    try {
      return new ReadOnlyVolume(context, point, await loader.load(manifest));
    } catch (error) {
      loader.drop();
      throw error;
    }
  }

  private constructor(context: EngineContext, point: Point, state: VolumeState) {
    this.id = point.volumeId;
    this.sizeBytes = point.sizeBytes;
    this.context = context;
    this.state = state;
    this.reader = new Reader(context, state);
    this.readAhead = new ReadAhead(
      { bytesMax: context.settings.readAheadBytes, sizeBytes: () => this.sizeBytes },
      (offset, length) => this.reader.ahead(offset, length),
    );
  }

  readNow(offset: number, length: number, target: Buffer, at: number): boolean {
    checkRange(offset, length, this.sizeBytes);
    this.readAhead.noteRead(offset, length);
    return this.reader.readNow(offset, length, target, at);
  }

  async read(offset: number, length: number, target: Buffer, at: number): Promise<void> {
    checkRange(offset, length, this.sizeBytes);
    await this.reader.read(offset, length, target, at);
  }

  prefetch(offset: number, length: number): void {
    checkRange(offset, length, this.sizeBytes);
    this.reader.ahead(offset, length);
  }

  isHole(offset: number, length: number): boolean {
    checkRange(offset, length, this.sizeBytes);
    return this.state.map.isHole(offset / sectorBytes, length / sectorBytes);
  }

  allocation(offset: number, length: number, runsMax: number): AllocationRun[] {
    checkRange(offset, length, this.sizeBytes);
    return allocationOf(this.state.map, { offset, length, runsMax });
  }

  get liveBytes(): number {
    return this.state.segments.liveSectors * sectorBytes;
  }

  writeNow(): boolean {
    throw readOnly();
  }

  write(): Promise<void> {
    return Promise.reject(readOnly());
  }

  zeroNow(): boolean {
    throw readOnly();
  }

  zero(): Promise<void> {
    return Promise.reject(readOnly());
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  /** The pin may be let go afterwards. */
  close(): void {
    dropState(this.context, this.state);
  }
}

function readOnly(): Failure {
  return new Failure('denied', 'read-only', 'This is for reading only');
}
