/** A volume as its clients get it: no faster than its limits say. */
import type { NbdDevice } from '../nbd/exports.ts';
import type { AllocationRun } from '../volume/allocation.ts';
import type { Volume } from '../volume/volume.ts';

export class LimitedDevice implements NbdDevice {
  private readonly volume: Volume;

  constructor(volume: Volume) {
    this.volume = volume;
  }

  get sizeBytes(): number {
    return this.volume.sizeBytes;
  }

  readNow(offset: number, length: number, target: Buffer, at: number): boolean {
    const { limits } = this.volume;
    if (!limits.tryTake('read', length)) return false;
    if (this.volume.readNow(offset, length, target, at)) return true;
    limits.giveBack('read', length);
    return false;
  }

  async read(offset: number, length: number, target: Buffer, at: number): Promise<void> {
    const { limits } = this.volume;
    if (!limits.unlimited) await limits.take('read', length);
    await this.volume.read(offset, length, target, at);
  }

  writeNow(offset: number, source: Buffer, from: number, length: number): boolean {
    const { limits } = this.volume;
    if (!limits.tryTake('write', length)) return false;
    if (this.volume.writeNow(offset, source, from, length)) return true;
    limits.giveBack('write', length);
    return false;
  }

  async write(offset: number, source: Buffer, from: number, length: number): Promise<void> {
    const { limits } = this.volume;
    if (!limits.unlimited) await limits.take('write', length);
    await this.volume.write(offset, source, from, length);
  }

  zeroNow(offset: number, length: number): boolean {
    const { limits } = this.volume;
    if (!limits.tryTake('write', 0)) return false;
    if (this.volume.zeroNow(offset, length)) return true;
    limits.giveBack('write', 0);
    return false;
  }

  async zero(offset: number, length: number): Promise<void> {
    const { limits } = this.volume;
    if (!limits.unlimited) await limits.take('write', 0);
    await this.volume.zero(offset, length);
  }

  flush(): Promise<void> {
    return this.volume.flush();
  }

  prefetch(offset: number, length: number): void {
    this.volume.prefetch(offset, length);
  }

  /** A read of nothing costs like any other: with limits, it goes the way of all reads. */
  isHole(offset: number, length: number): boolean {
    return this.volume.limits.unlimited && this.volume.isHole(offset, length);
  }

  allocation(offset: number, length: number, runsMax: number): AllocationRun[] {
    return this.volume.allocation(offset, length, runsMax);
  }
}
