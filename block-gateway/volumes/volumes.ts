/** The volumes of the cloud: made, found, listed, opened, cloned, deleted. */
import type { Blobs, Tables } from '#cluster';
import {
  type Clock,
  type Disk,
  Failure,
  Gauge,
  type Logger,
  type Metrics,
  type Net,
  type Random,
  randomUuid,
} from '#common';
import type { BlockGatewaySettings } from '../settings.ts';
import type { KeyStore } from '../volume/ciphers.ts';
import { createEngine, type Engine } from '../volume/engine.ts';
import { isVolumeId, nobody, type VolumeHead } from '../volume/head.ts';
import { changeHead, findHead } from '../volume/head-row.ts';
import { oldestInstantMs } from '../volume/instant.ts';
import { missingSnapshot } from '../volume/pin-rows.ts';
import { raiseEpoch } from '../volume/raise-epoch.ts';
import type { Volume } from '../volume/volume.ts';
import { Attachments } from './attachments.ts';
import { backUp } from './backup.ts';
import type { BackupRecord, BackupRequest, RestoreRequest } from './backup-types.ts';
import { deleteIndex, idsByName, pageIndex, putIndex } from './index-rows.ts';
import { badVolume, checkWanted, wholeSize } from './new-volume.ts';
import { OpenVolumes } from './open-volumes.ts';
import { type PointName, PointReader } from './point-reader.ts';
import { attempt, checkReady, Points, requireHead } from './points.ts';
import { revertedHead } from './revert.ts';
import type {
  Attachment,
  AttachmentCredentials,
  AttachRequest,
  CreateVolume,
  DeleteVolume,
  OpenPoint,
  OpenVolume,
  SnapshotInfo,
  VolumeInfo,
  VolumePage,
  VolumeService,
  VolumeUsage,
} from './service.ts';
import { releaseStaleLogs } from './stale-logs.ts';
import type { BlobHolds } from './stored-bytes.ts';
import { infoOf, snapshotOf } from './views.ts';
import { VolumeMaker } from './volume-maker.ts';

export interface VolumesOptions {
  readonly tables: Tables;
  readonly blobs: Blobs;
  readonly disk: Disk;
  /** A folder of this gateway's own for the write log. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: BlockGatewaySettings;
  /** The memory of the machine; its eighth bounds what waits for the store. */
  readonly memoryBytes?: number;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Where conversions listen; the system's network unless told otherwise. */
  readonly net?: Net;
  /** A name for this gateway that stays the same over restarts. */
  readonly gateway: string;
  /** What the credentials of attachments are derived from; the same for all gateways of a cluster. */
  readonly secret?: Buffer;
  readonly keys?: KeyStore;
  /** Needed for volumes over what others have stored. */
  readonly holds?: BlobHolds;
}

export type Volumes = VolumeService;

export async function createVolumes(options: VolumesOptions): Promise<VolumesOfGateway> {
  const engine = await createEngine(options);
  const { tables, log } = options;
  await releaseStaleLogs({ tables, log, logFiles: engine.context.logFiles });
  const volumes = new VolumesOfGateway(options, engine);
  await attempt(() => volumes.forgetReaders());
  return volumes;
}

/** Whose connections to a volume end: all, those of an attachment, or those of all its holders but one. */
export interface Ended {
  readonly attachment?: string;
  readonly butNonce?: string;
}

type Detached = (volume: string, ended: Ended) => void;

export class VolumesOfGateway implements Volumes {
  readonly attachments: Attachments;
  private readonly options: VolumesOptions;
  private readonly engine: Engine;
  private readonly held: OpenVolumes;
  private readonly points: Points;
  private readonly reader: PointReader;
  private readonly maker: VolumeMaker;
  /** Called when an attachment ends: its connections are cut. */
  private readonly detached = new Set<Detached>();

  constructor(options: VolumesOptions, engine: Engine) {
    this.options = options;
    this.engine = engine;
    const { clock, settings, log, tables, random } = options;
    const { context } = engine;
    const secret = options.secret ?? random.bytes(32);
    this.attachments = new Attachments({ tables, clock, random, secret });
    this.held = new OpenVolumes({ clock, settings, log, open: (id) => this.openNow(id) });
    this.points = new Points({
      context,
      open: this.held,
      ended: async ({ hold }) => {
        if (hold !== undefined) await options.holds?.release(hold);
      },
    });
    this.reader = new PointReader(context, this.points, random);
    this.maker = new VolumeMaker({ options, engine, points: this.points });
    this.expose();
  }

  private expose(): void {
    const { cache } = this.engine.context;
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name,
        help,
        registers: [this.options.metrics],
        collect() {
          this.set(value());
        },
      });
    gauge('pileus_volumes_open', 'Volumes open in this gateway', () => this.held.count);
    gauge('pileus_volume_cache_bytes', 'Memory of the read cache', () => cache.bytes);
    gauge('pileus_volume_cache_hits', 'Line reads served by the cache', () => cache.hits);
    gauge('pileus_volume_cache_misses', 'Line reads that missed the cache', () => cache.misses);
  }

  forgetReaders(): Promise<void> {
    return this.reader.forgetAll();
  }

  async create(wanted: CreateVolume): Promise<VolumeInfo> {
    return infoOf(await this.maker.create(wanted));
  }

  private async head(id: string): Promise<VolumeHead> {
    const head = isVolumeId(id) ? await findHead(this.options.tables, id) : undefined;
    return requireHead(head, id);
  }

  async get(id: string): Promise<VolumeInfo> {
    const head = await this.head(id);
    const oldestMs = oldestInstantMs(head, this.options.clock.nowUs() / 1000);
    return { ...infoOf(head), ...(oldestMs === undefined ? {} : { oldestMs }) };
  }

  async find(project: string, idOrName: string): Promise<VolumeInfo | undefined> {
    const { tables } = this.options;
    const direct = isVolumeId(idOrName) ? await findHead(tables, idOrName) : undefined;
    if (direct?.project === project && direct.state !== 'gone') return infoOf(direct);
    const [id, another] = await idsByName(tables, project, idOrName);
    if (another !== undefined) {
      throw new Failure('conflict', 'volume-name-ambiguous', 'Several volumes have this name', {
        facts: { name: idOrName },
      });
    }
    const named = id === undefined ? undefined : await findHead(tables, id);
    return named === undefined ? undefined : infoOf(named);
  }

  list(
    project: string,
    page: { readonly marker?: string; readonly limit?: number } = {},
  ): Promise<VolumePage> {
    return pageIndex(this.options.tables, project, page.marker, page.limit);
  }

  async delete(id: string, options: DeleteVolume = {}): Promise<void> {
    const { tables } = this.options;
    this.checkUnused(id, options.force === true);
    const head = await this.head(id);
    const snapshots = await this.points.snapshots(id);
    if (options.cascade === true) for (const one of snapshots) await this.points.hide(id, one.id);
    const [snapshot] = options.cascade === true ? [] : snapshots;
    if (snapshot !== undefined) {
      throw new Failure('conflict', 'snapshot-in-use', 'The volume has snapshots', {
        facts: { volumeId: id, snapshot: snapshot.id },
      });
    }
    // From here on nothing more can be pinned.
    const deleting = (present: VolumeHead): VolumeHead => ({ ...present, state: 'deleting' });
    if (this.held.has(id) && head.state === 'ready') await this.alter(id, deleting);
    else await changeHead(tables, id, deleting);
    await this.cut(id);
    await this.held.end(id);
    await this.points.purge(id);
    await deleteIndex(tables, head.project, id);
  }

  private checkUnused(id: string, force: boolean): void {
    const users = this.held.users(id);
    if (users === 0 || force) return;
    throw new Failure('conflict', 'volume-in-use', 'The volume is in use', {
      facts: { volumeId: id, users },
    });
  }

  private async cut(id: string): Promise<void> {
    for (const attachment of await this.attachments.list(id)) await this.detach(id, attachment.id);
  }

  async extend(id: string, wantedBytes: number): Promise<VolumeInfo> {
    const sizeBytes = wholeSize(wantedBytes);
    const head = await this.alter(id, (present) => {
      if (sizeBytes < present.sizeBytes) {
        throw new Failure('invalid', 'shrink', 'A volume cannot become smaller', {
          facts: { volumeId: id, sizeBytes: present.sizeBytes, wantedBytes: sizeBytes },
        });
      }
      return { ...present, sizeBytes };
    });
    await this.relist(head);
    return infoOf(head);
  }

  async change(
    id: string,
    change: Partial<
      Pick<CreateVolume, 'name' | 'project' | 'qos' | 'retentionS' | 'durability' | 'sealed'>
    >,
  ): Promise<VolumeInfo> {
    checkWanted(change);
    const before = await this.head(id);
    if (change.sealed === true) {
      this.checkUnused(id, false);
      await this.atRest(id);
    }
    const head = await this.alter(id, (present) => {
      const { sealed: _sealed, ...rest } = { ...present, ...change };
      return (change.sealed ?? present.sealed) === true ? { ...rest, sealed: true } : rest;
    });
    await this.relist(head);
    if (head.project !== before.project) await deleteIndex(this.options.tables, before.project, id);
    return infoOf(head);
  }

  private async relist(head: VolumeHead): Promise<void> {
    const { id, name, sizeBytes, createdUs, project } = head;
    await putIndex(this.options.tables, project, { id, name, sizeBytes, createdUs });
  }

  /** Changes the head: through the open volume, so that it takes effect at once, or else the row. */
  private async alter(id: string, change: (head: VolumeHead) => VolumeHead): Promise<VolumeHead> {
    checkReady(await this.head(id));
    if (this.held.has(id)) return await this.held.within(id, (volume) => volume.change(change));
    return await changeHead(this.options.tables, id, change);
  }

  /** Nobody has it open, and everything that was written is in the store. */
  private async atRest(id: string): Promise<VolumeHead> {
    await this.held.end(id);
    const head = await this.head(id);
    if (head.gateway === '') return head;
    await this.held.within(id, async () => {});
    await this.held.end(id);
    return await this.head(id);
  }

  async usage(id: string): Promise<VolumeUsage> {
    const head = await this.head(id);
    const snapshots = (await this.points.snapshots(id)).length;
    const nowMs = this.options.clock.nowUs() / 1000;
    const shared = { sizeBytes: head.sizeBytes, snapshots, oldestMs: oldestInstantMs(head, nowMs) };
    if (head.sealed === true) {
      const point = await this.reader.open(head, undefined);
      try {
        const { liveBytes } = point.volume;
        return { ...shared, liveBytes, storedBytes: liveBytes };
      } finally {
        await point.release();
      }
    }
    return await this.held.within(id, async (volume) => {
      const { liveBytes, storedBytes } = volume.stats();
      return { ...shared, liveBytes, storedBytes };
    });
  }

  async snapshot(
    id: string,
    wanted: { readonly id?: string; readonly name?: string; readonly atMs?: number },
  ): Promise<SnapshotInfo> {
    const head = await this.head(id);
    checkReady(head);
    const { name = '', id: snapshot = randomUuid(this.options.random) } = wanted;
    if (!/^[0-9a-zA-Z-]{1,64}$/.test(snapshot) || name.length > 255)
      throw new Failure('invalid', 'bad-snapshot', 'A snapshot id has letters, digits and -');
    const when = wanted.atMs === undefined ? {} : { atMs: wanted.atMs };
    return snapshotOf(await this.points.pin(head, { id: snapshot, name, state: 'live', ...when }));
  }

  async findSnapshot(volume: string, snapshot: string): Promise<SnapshotInfo | undefined> {
    const pin = await this.points.findSnapshot(volume, snapshot);
    return pin === undefined ? undefined : snapshotOf(pin);
  }

  async listSnapshots(volume: string): Promise<readonly SnapshotInfo[]> {
    return (await this.points.snapshots(volume))
      .sort((a, b) => a.createdUs - b.createdUs)
      .map(snapshotOf);
  }

  async deleteSnapshot(volume: string, snapshot: string): Promise<void> {
    await this.points.hide(volume, snapshot);
  }

  async revert(
    id: string,
    to: { readonly snapshot: string } | { readonly atMs: number },
  ): Promise<VolumeInfo> {
    this.checkUnused(id, false);
    const { random, tables, clock } = this.options;
    const user = `revert-${randomUuid(random)}`;
    const before = await this.head(id);
    checkReady(before);
    if (before.sealed === true) throw badVolume('A sealed volume is never changed');
    const name = 'snapshot' in to ? to.snapshot : user;
    if ('atMs' in to)
      await this.points.pin(before, { id: name, name: '', state: 'hidden', atMs: to.atMs });
    const pin = await this.points.use(id, name, user);
    try {
      const head = await this.atRest(id);
      const reverted = await changeHead(tables, id, (present) => {
        if (present.epoch === head.epoch && present.gateway === '')
          return revertedHead(present, pin, clock.nowUs());
        throw new Failure('conflict', 'volume-in-use', 'Somebody opened the volume meanwhile', {
          facts: { volumeId: id },
        });
      });
      return infoOf(reverted);
    } finally {
      await this.points.stopUsing(id, name, user);
    }
  }

  open(id: string): Promise<OpenVolume> {
    return this.held.open(id);
  }

  private async openNow(id: string): Promise<Volume> {
    checkReady(await this.head(id));
    return await this.engine.open(id);
  }

  async openReadOnly(id: string, at?: PointName): Promise<OpenPoint> {
    const head = await this.head(id);
    checkReady(head);
    if (at !== undefined && 'snapshot' in at) {
      const pin = await this.points.findSnapshot(id, at.snapshot);
      if (pin === undefined) throw missingSnapshot(id, at.snapshot);
    }
    return await this.reader.open(head, at);
  }

  async attach(request: AttachRequest): Promise<AttachmentCredentials> {
    const head = await this.head(request.volume);
    checkReady(head);
    const mode = head.sealed === true ? 'ro' : (request.mode ?? 'rw');
    const made = await this.attachments.attach({ ...request, mode });
    try {
      // A volume that was deleted meanwhile has taken its attachments with it, but not this one.
      checkReady(await this.head(request.volume));
    } catch (error) {
      await this.attachments.forget(request.volume, made.id);
      throw error;
    }
    return made;
  }

  credentials(volume: string, attachment: string): Promise<AttachmentCredentials> {
    return this.attachments.credentials(volume, attachment);
  }

  listAttachments(volume: string): Promise<readonly Attachment[]> {
    return this.attachments.list(volume);
  }

  async detach(
    volume: string,
    attachment: string,
    options: { readonly force?: boolean } = {},
  ): Promise<void> {
    await this.attachments.forget(volume, attachment);
    for (const tell of this.detached) tell(volume, { attachment });
    if (options.force === true) await this.fence(volume);
  }

  offerAttachment(volume: string, attachment: string): Promise<AttachmentCredentials> {
    return this.attachments.offer(volume, attachment);
  }

  async settleAttachment(
    volume: string,
    attachment: string,
    keep: 'next' | 'present',
  ): Promise<void> {
    // Whether or not there was something to settle: a call before may have failed after it wrote, and cut nobody.
    const butNonce = await this.attachments.settle(volume, attachment, keep);
    for (const tell of this.detached) tell(volume, { attachment, butNonce });
  }

  reconnect(id: string): void {
    for (const tell of this.detached) tell(id, {});
  }

  /** Hears of attachments that end; returns how to stop that. */
  onDetach(tell: Detached): () => void {
    this.detached.add(tell);
    return () => this.detached.delete(tell);
  }

  /** Takes the volume from whichever gateway has it: what that one still sends is refused by the storage nodes. */
  private async fence(id: string): Promise<void> {
    const { clock, settings } = this.options;
    await this.held.end(id);
    const head = await raiseEpoch(this.options, id, (present) => ({
      ...present,
      gateway: present.gateway === '' ? '' : nobody,
    }));
    // What that gateway may still acknowledge, it acknowledges within its lease.
    if (head.gateway === nobody) await clock.sleep(settings.leaseMs);
  }

  async backup(request: BackupRequest): Promise<BackupRecord> {
    const head = await this.head(request.volume);
    const open = (snapshot: string) => this.openReadOnly(head.id, { snapshot });
    return await backUp({ context: this.engine.context, head, open }, request);
  }

  async restore(request: RestoreRequest): Promise<VolumeInfo> {
    return infoOf(await this.maker.restore(request));
  }

  async close(): Promise<void> {
    try {
      await this.held.close();
    } finally {
      await this.engine.close();
    }
  }
}
