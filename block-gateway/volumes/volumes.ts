/** The volumes of the cloud: made, found, listed, opened, deleted. One open volume serves all who use it here. */
import type { Blobs, Tables } from '#cluster';
import {
  type Clock,
  type Disk,
  Failure,
  Gauge,
  isFailure,
  type Logger,
  type Metrics,
  type Net,
  type Random,
  randomUuid,
  type Timer,
} from '#common';
import type { BlockGatewaySettings } from '../settings.ts';
import { deleteVolumeBlobs } from '../volume/deletion.ts';
import { createEngine, type Engine } from '../volume/engine.ts';
import { encodeHead, headRef, type VolumeHead } from '../volume/head.ts';
import { changeHead, findHead, missingVolume } from '../volume/head-row.ts';
import { sectorBytes, volumeBytesMax } from '../volume/units.ts';
import type { Volume } from '../volume/volume.ts';
import { fillVolume } from './fill.ts';
import { type ImageFile, inspectImage, readRaw } from './image-file.ts';
import { importQcow2 } from './import-qcow2.ts';
import { deleteIndex, type IndexPage, idsByName, pageIndex, putIndex } from './index-rows.ts';
import { releaseStaleLogs } from './stale-logs.ts';

export interface VolumesOptions {
  readonly tables: Tables;
  readonly blobs: Blobs;
  readonly disk: Disk;
  /** A folder of this gateway's own for the write log. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: BlockGatewaySettings;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Where conversions listen; the system's network unless told otherwise. */
  readonly net?: Net;
  /** A name for this gateway that stays the same over restarts. */
  readonly gateway: string;
}

/** Where a new volume's content comes from. */
export type VolumeSource =
  | { readonly stream: AsyncIterable<Buffer> }
  /** Raw or qcow2, told by its content. */
  | { readonly file: string };

export interface CreateVolume {
  readonly name: string;
  readonly project: string;
  /** Rounded up to whole sectors; may be left out when a file says it. */
  readonly sizeBytes?: number;
  readonly from?: VolumeSource;
}

export interface OpenVolume {
  readonly volume: Volume;
  /** Once, when this user is done. */
  release(): void;
}

export interface Volumes {
  create(wanted: CreateVolume): Promise<VolumeHead>;
  get(id: string): Promise<VolumeHead>;
  /** By id, or by a name that only one volume of the project has. */
  find(project: string, idOrName: string): Promise<VolumeHead | undefined>;
  list(
    project: string,
    page?: { readonly marker?: string; readonly limit?: number },
  ): Promise<IndexPage>;
  /** Refused (`conflict`) while someone here uses it, unless forced. */
  delete(id: string, options?: { readonly force?: boolean }): Promise<void>;
  open(id: string): Promise<OpenVolume>;
  /** Checkpoints and closes every volume. */
  close(): Promise<void>;
}

interface Held {
  readonly opening: Promise<Volume>;
  users: number;
  idle: Timer | undefined;
}

const idPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const nameLengthMax = 255;

export async function createVolumes(options: VolumesOptions): Promise<Volumes> {
  const engine = await createEngine(options);
  const { tables, log } = options;
  await releaseStaleLogs({ tables, log, logFiles: engine.context.logFiles });
  return new OpenVolumes(options, engine);
}

class OpenVolumes implements Volumes {
  private readonly options: VolumesOptions;
  private readonly engine: Engine;
  private readonly held = new Map<string, Held>();
  private readonly closings = new Map<string, Promise<void>>();
  private closed = false;

  constructor(options: VolumesOptions, engine: Engine) {
    this.options = options;
    this.engine = engine;
    const { cache } = engine.context;
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name,
        help,
        registers: [options.metrics],
        collect() {
          this.set(value());
        },
      });
    gauge('pileus_volumes_open', 'Volumes open in this gateway', () => this.held.size);
    gauge('pileus_volume_cache_bytes', 'Memory of the read cache', () => cache.bytes);
    gauge('pileus_volume_cache_hits', 'Line reads served by the cache', () => cache.hits);
    gauge('pileus_volume_cache_misses', 'Line reads that missed the cache', () => cache.misses);
  }

  async create(wanted: CreateVolume): Promise<VolumeHead> {
    const { tables, random, clock, disk, settings } = this.options;
    if (wanted.name.length === 0 || wanted.name.length > nameLengthMax)
      throw badVolume('A volume needs a name of at most 255 characters');
    const { from } = wanted;
    const image =
      from !== undefined && 'file' in from
        ? await inspectImage(disk, from.file, settings)
        : undefined;
    const sizeBytes = sizeOf(wanted.sizeBytes ?? image?.virtualBytes);
    if (image !== undefined && image.virtualBytes > sizeBytes)
      throw badVolume('The image is larger than the volume');
    const head: VolumeHead = {
      id: randomUuid(random),
      name: wanted.name,
      project: wanted.project,
      sizeBytes,
      createdUs: clock.nowUs(),
      state: from === undefined ? 'ready' : 'creating',
      durability: 'local',
      epoch: 0,
      gateway: '',
      tail: [],
    };
    const { id, name, createdUs } = head;
    await putIndex(tables, wanted.project, { id, name, sizeBytes, createdUs });
    await tables.put(headRef(id), { meta: encodeHead(head), bytes: 0, body: Buffer.alloc(0) });
    if (from === undefined) return head;
    return await this.fill(head, from, image);
  }

  private async fill(
    head: VolumeHead,
    from: VolumeSource,
    image: ImageFile | undefined,
  ): Promise<VolumeHead> {
    try {
      const volume = await this.engine.open(head.id);
      try {
        await this.copy(volume, from, image);
        // Waiting for the store here is what makes the new volume safe; closing would only complain.
        await volume.settle();
      } finally {
        await volume.close();
      }
      return await changeHead(this.options.tables, head.id, (present) => ({
        ...present,
        state: 'ready',
      }));
    } catch (error) {
      await this.undo(head.id);
      throw error;
    }
  }

  private async copy(
    volume: Volume,
    from: VolumeSource,
    image: ImageFile | undefined,
  ): Promise<void> {
    const { disk } = this.options;
    if ('stream' in from) await fillVolume(volume, from.stream);
    else if (image?.format === 'qcow2') await importQcow2(this.options, volume, from.file);
    else await fillVolume(volume, readRaw(disk, from.file, image?.virtualBytes ?? 0));
  }

  private async undo(id: string): Promise<void> {
    try {
      await this.delete(id, { force: true });
    } catch (error) {
      if (!isFailure(error)) throw error;
      // It is listed as half made and can be deleted later.
      this.options.log.warn({ err: error, volumeId: id }, 'a half-made volume stays behind');
    }
  }

  async get(id: string): Promise<VolumeHead> {
    const head = idPattern.test(id) ? await findHead(this.options.tables, id) : undefined;
    if (head === undefined) throw missingVolume(id);
    return head;
  }

  async find(project: string, idOrName: string): Promise<VolumeHead | undefined> {
    const { tables } = this.options;
    const direct = idPattern.test(idOrName) ? await findHead(tables, idOrName) : undefined;
    if (direct?.project === project) return direct;
    const [id, another] = await idsByName(tables, project, idOrName);
    if (another !== undefined) {
      throw new Failure('conflict', 'volume-name-ambiguous', 'Several volumes have this name', {
        facts: { name: idOrName },
      });
    }
    return id === undefined ? undefined : await findHead(tables, id);
  }

  list(
    project: string,
    page: { readonly marker?: string; readonly limit?: number } = {},
  ): Promise<IndexPage> {
    return pageIndex(this.options.tables, project, page.marker, page.limit);
  }

  async delete(id: string, options: { readonly force?: boolean } = {}): Promise<void> {
    const { tables } = this.options;
    const held = this.held.get(id);
    if (held !== undefined && held.users > 0 && options.force !== true) {
      throw new Failure('conflict', 'volume-in-use', 'The volume is in use', {
        facts: { volumeId: id, users: held.users },
      });
    }
    if (held !== undefined) await this.closeHeld(id, held);
    await this.closings.get(id);
    const head = await this.get(id);
    await deleteVolumeBlobs(this.engine.context, id);
    await tables.delete(headRef(id));
    await deleteIndex(tables, head.project, id);
  }

  async open(id: string): Promise<OpenVolume> {
    if (this.closed) throw new Failure('closed', 'gateway-closed', 'The gateway is stopping');
    await this.closings.get(id);
    let held = this.held.get(id);
    if (held === undefined) {
      if (this.held.size >= this.options.settings.openVolumesMax) {
        throw new Failure('busy', 'too-many-volumes', 'Too many volumes are open here', {
          facts: { open: this.held.size },
        });
      }
      held = { opening: this.openNow(id), users: 0, idle: undefined };
      this.held.set(id, held);
    }
    const mine = held;
    mine.users++;
    mine.idle?.cancel();
    try {
      const volume = await mine.opening;
      let released = false;
      const release = () => {
        if (!released) this.release(id, mine);
        released = true;
      };
      return { volume, release };
    } catch (error) {
      if (this.held.get(id) === mine) this.held.delete(id);
      throw error;
    }
  }

  private async openNow(id: string): Promise<Volume> {
    const head = await this.get(id);
    if (head.state !== 'ready') {
      throw new Failure('conflict', 'volume-not-ready', 'The volume is not ready', {
        facts: { volumeId: id, state: head.state },
      });
    }
    return await this.engine.open(id);
  }

  private release(id: string, held: Held): void {
    held.users--;
    if (held.users > 0 || this.held.get(id) !== held) return;
    held.idle = this.options.clock.after(this.options.settings.idleCloseMs, () => {
      if (held.users > 0 || this.held.get(id) !== held) return;
      this.closeHeld(id, held).catch((error: unknown) => {
        if (!isFailure(error) || error.kind === 'bug') throw error;
        this.options.log.warn({ err: error, volumeId: id }, 'a volume could not be closed');
      });
    });
  }

  private closeHeld(id: string, held: Held): Promise<void> {
    held.idle?.cancel();
    this.held.delete(id);
    const closing = held.opening
      .then((volume) => volume.close())
      .finally(() => this.closings.delete(id));
    this.closings.set(id, closing);
    return closing;
  }

  async close(): Promise<void> {
    this.closed = true;
    const open = [...this.held].map(([id, held]) => this.closeHeld(id, held));
    const outcomes = await Promise.allSettled([...open, ...this.closings.values()]);
    await this.engine.close();
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }
}

function sizeOf(wanted: number | undefined): number {
  if (wanted === undefined || !Number.isSafeInteger(wanted) || wanted <= 0)
    throw badVolume('A volume needs a size');
  const sizeBytes = Math.ceil(wanted / sectorBytes) * sectorBytes;
  if (sizeBytes > volumeBytesMax) throw badVolume('The volume is too large');
  return sizeBytes;
}

function badVolume(message: string): Failure {
  return new Failure('invalid', 'bad-volume', message);
}
