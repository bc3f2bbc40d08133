/**
 * Reading points of volumes. While one is read a pin keeps it; who reads is noted under this gateway's name as well, so that the next start
 * lets go of what a crash left pinned.
 */
import { type Random, randomUuid } from '#common';
import type { EngineContext } from '../volume/context.ts';
import { Fields, parseObject } from '../volume/fields.ts';
import type { VolumeHead } from '../volume/head.ts';
import { ReadOnlyVolume } from '../volume/read-only-volume.ts';
import type { Points } from './points.ts';
import type { OpenPoint } from './service.ts';

const readerTable = 'volume-reader';
const readersMax = 10_000;

export type PointName = { readonly snapshot: string } | { readonly atMs: number } | undefined;

export class PointReader {
  private readonly context: EngineContext;
  private readonly points: Points;
  private readonly random: Random;

  constructor(context: EngineContext, points: Points, random: Random) {
    this.context = context;
    this.points = points;
    this.random = random;
  }

  async open(head: VolumeHead, at: PointName): Promise<OpenPoint> {
    const user = `reader-${randomUuid(this.random)}`;
    const id = at !== undefined && 'snapshot' in at ? at.snapshot : user;
    await this.note(user, head.id, id);
    try {
      if (at === undefined || !('snapshot' in at)) {
        const when = at === undefined ? {} : { atMs: at.atMs };
        await this.points.pin(head, { id, name: '', state: 'hidden', ...when });
      }
      const pin = await this.points.use(head.id, id, user);
      const { manifest, sizeBytes } = { manifest: pin, sizeBytes: pin.sizeBytes };
      const point = { volumeId: head.id, sizeBytes, manifest, encryption: head.encryption };
      const volume = await ReadOnlyVolume.open(this.context, point);
      const release = async () => {
        volume.close();
        await this.forget(user, head.id, id);
      };
      return { volume, pin, release };
    } catch (error) {
      await this.forget(user, head.id, id);
      throw error;
    }
  }

  /** Once at start: what readers of a life before this one had pinned. */
  async forgetAll(): Promise<void> {
    const { tables, gateway } = this.context;
    const page = await tables.list({ table: readerTable, partition: gateway, limit: readersMax });
    for (const { row } of page.entries) {
      if (row === undefined) continue;
      const fields = new Fields(parseObject(row.meta.toString('utf8')));
      await this.forget(row.sort, fields.text('volume'), fields.text('pin'));
    }
  }

  private async note(user: string, volume: string, pin: string): Promise<void> {
    const text = { format: 'pileus-volume-reader', version: 1, volume, pin };
    const value = { meta: Buffer.from(JSON.stringify(text)), bytes: 0, body: Buffer.alloc(0) };
    await this.context.tables.put(this.refOf(user), value);
  }

  private async forget(user: string, volume: string, pin: string): Promise<void> {
    await this.points.stopUsing(volume, pin, user);
    await this.context.tables.delete(this.refOf(user));
  }

  private refOf(user: string) {
    return { table: readerTable, partition: this.context.gateway, sort: user };
  }
}
