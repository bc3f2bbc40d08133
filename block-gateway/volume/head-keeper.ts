/** The head row of an open volume as its gateway last wrote it, and the only way in which the gateway changes it. */
import type { Tables } from '#cluster';
import type { VolumeHead } from './head.ts';
import { changeOwnHead } from './head-row.ts';
import type { PinSet } from './pin-set.ts';

export class HeadKeeper {
  private readonly tables: Tables;
  private readonly pins: PinSet;
  private readonly epoch: number;
  private head: VolumeHead;
  private queue: Promise<unknown> = Promise.resolve();

  constructor(tables: Tables, pins: PinSet, head: VolumeHead) {
    this.tables = tables;
    this.pins = pins;
    this.head = head;
    this.epoch = head.epoch;
    pins.notePast(head);
  }

  get now(): VolumeHead {
    return this.head;
  }

  /** `denied` when someone opened the volume since. One after another: what is remembered must be what was written last. */
  change(change: (head: VolumeHead) => VolumeHead): Promise<VolumeHead> {
    const run = this.queue.then(() => this.changeNow(change));
    this.queue = run.catch(() => undefined);
    return run;
  }

  private async changeNow(change: (head: VolumeHead) => VolumeHead): Promise<VolumeHead> {
    this.head = await changeOwnHead(this.tables, this.head.id, this.epoch, change);
    this.pins.notePast(this.head);
    return this.head;
  }
}
