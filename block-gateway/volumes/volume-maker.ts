/** Making volumes: empty, filled from a stream or an image file, or over what a point of another volume is made of. */
import { isFailure, randomHex, randomUuid } from '#common';
import type { Engine } from '../volume/engine.ts';
import { encodeHead, headRef, isVolumeId, type VolumeHead } from '../volume/head.ts';
import { changeHead, changeOwnHead, findHead } from '../volume/head-row.ts';
import type { Pin } from '../volume/pin-rows.ts';
import { raiseEpoch } from '../volume/raise-epoch.ts';
import { putCheckpoint, rawCheckpoint, rawContent } from '../volume/raw-checkpoint.ts';
import type { Volume } from '../volume/volume.ts';
import type { RestoreRequest } from './backup-types.ts';
import { fillVolume } from './fill.ts';
import { type ImageFile, inspectImage, readRaw } from './image-file.ts';
import { importQcow2 } from './import-qcow2.ts';
import { deleteIndex, putIndex } from './index-rows.ts';
import { badVolume, checkWanted, newHead, wholeSize } from './new-volume.ts';
import { attempt, checkReady, type Points, requireHead } from './points.ts';
import { readManifest, restoreInto } from './restore.ts';
import type { CreateVolume } from './service.ts';
import type { StoredBytes } from './stored-bytes.ts';
import type { VolumesOptions } from './volumes.ts';

/** A pin that clones of a sealed volume share has an id that begins so. */
const sealedPin = 'sealed';
/** How often the shared pin may end just before it is used. */
const sharedPinTries = 20;

export interface MakerParts {
  readonly options: VolumesOptions;
  readonly engine: Engine;
  readonly points: Points;
}

type OwnSource = { readonly stream: AsyncIterable<Buffer> } | { readonly file: string };

export class VolumeMaker {
  private readonly options: VolumesOptions;
  private readonly parts: MakerParts;

  constructor(parts: MakerParts) {
    this.options = parts.options;
    this.parts = parts;
  }

  private async find(id: string): Promise<VolumeHead | undefined> {
    return isVolumeId(id) ? await findHead(this.options.tables, id) : undefined;
  }

  async create(wanted: CreateVolume): Promise<VolumeHead> {
    checkWanted(wanted);
    if (wanted.id !== undefined) {
      const present = await findHead(this.options.tables, wanted.id);
      if (present !== undefined && present.state === 'ready') return present;
      // A filling that was cut off begins again from nothing.
      if (present !== undefined) await this.parts.points.purge(present.id);
    }
    const { from } = wanted;
    if (from !== undefined && 'volume' in from) return await this.clone(wanted, from);
    if (from !== undefined && 'bytes' in from) return await this.createOver(wanted, from.bytes);
    return await this.createOwn(wanted, from);
  }

  /**
   * A volume over bytes of the store. The head names the hold before there is one, and each attempt has a hold of its own: so whatever becomes of the
   * attempt, who purges the volume releases what it held, and nothing else.
   */
  private async createOver(wanted: CreateVolume, bytes: StoredBytes): Promise<VolumeHead> {
    const { random } = this.options;
    const sizeBytes = wholeSize(wanted.sizeBytes ?? bytes.sizeBytes);
    if (bytes.sizeBytes > sizeBytes) throw badVolume('The source is larger than the volume');
    const head = await this.newHead(wanted, sizeBytes);
    // What is encrypted is sealed with a key of the volume's own: the bytes have to be written again.
    const sharing = head.encryption === undefined && bytes.sizeBytes > 0;
    const hold = `${head.id}-${randomHex(random, 8)}`;
    await this.write({ ...head, state: 'creating', ...(sharing ? { hold } : {}) });
    const shared = sharing ? await this.share(head, hold, bytes) : undefined;
    if (shared !== undefined) return shared;
    return await this.fill(head, async (volume) => {
      await fillVolume(volume, bytes.read());
    });
  }

  /** Undefined when the bytes have to be copied. */
  private async share(
    head: VolumeHead,
    hold: string,
    bytes: StoredBytes,
  ): Promise<VolumeHead | undefined> {
    const { tables } = this.options;
    const { context } = this.parts.engine;
    try {
      const content = rawContent((await bytes.hold(hold)) ?? []);
      if (content === undefined || content.segments.length === 0) {
        await this.options.holds?.release(hold);
        await changeHead(tables, head.id, ({ hold: _released, ...rest }) => rest);
        return undefined;
      }
      const { epoch } = await raiseEpoch(context, head.id, (present) => present);
      const encoded = rawCheckpoint({ id: head.id, epoch }, content);
      const { checkpoint } = encoded;
      // Named before it is there, so that a purge finds what there is of it.
      await changeOwnHead(tables, head.id, epoch, (present) => ({ ...present, checkpoint }));
      await putCheckpoint(context, head.id, encoded);
      return await changeOwnHead(tables, head.id, epoch, (present) => ({
        ...present,
        state: 'ready',
      }));
    } catch (error) {
      await this.undo(head);
      throw error;
    }
  }

  /** A volume with content of its own, or none. */
  private async createOwn(wanted: CreateVolume, from: OwnSource | undefined): Promise<VolumeHead> {
    const { disk, settings } = this.options;
    const image =
      from !== undefined && 'file' in from
        ? await inspectImage(disk, from.file, settings)
        : undefined;
    const sizeBytes = wholeSize(wanted.sizeBytes ?? image?.virtualBytes);
    if (image !== undefined && image.virtualBytes > sizeBytes)
      throw badVolume('The image is larger than the volume');
    const head = await this.newHead(wanted, sizeBytes);
    await this.write(head);
    if (from === undefined) return head;
    return await this.fill(head, (volume) => this.copy(volume, from, image));
  }

  private async newHead(
    wanted: CreateVolume,
    sizeBytes: number,
    source?: { readonly head: VolumeHead; readonly pin: Pin },
  ): Promise<VolumeHead> {
    const { random, clock } = this.options;
    const { keys } = this.parts.engine.context;
    const shared = source === undefined ? {} : { source };
    return await newHead({ wanted, sizeBytes, nowUs: clock.nowUs(), random, keys, ...shared });
  }

  /** Listed first, so that no volume is ever unlisted. */
  private async write(head: VolumeHead): Promise<void> {
    const { tables } = this.options;
    const { id, name, sizeBytes, createdUs, project } = head;
    await putIndex(tables, project, { id, name, sizeBytes, createdUs });
    await tables.put(headRef(id), { meta: encodeHead(head), bytes: 0, body: Buffer.alloc(0) });
  }

  private async clone(
    wanted: CreateVolume,
    from: { volume: string; snapshot?: string; atMs?: number },
  ): Promise<VolumeHead> {
    const source = requireHead(await this.find(from.volume), from.volume);
    checkReady(source);
    const id = wanted.id ?? randomUuid(this.options.random);
    const pin =
      source.sealed === true
        ? await this.sharedPin(source, id)
        : await this.ownPin(source, id, from);
    try {
      const sizeBytes = wholeSize(wanted.sizeBytes ?? pin.sizeBytes);
      if (sizeBytes < pin.sizeBytes) throw badVolume('The volume is smaller than its source');
      const head = await this.newHead({ ...wanted, id }, sizeBytes, { head: source, pin });
      await this.write(head);
      return head;
    } catch (error) {
      await attempt(() => this.parts.points.stopUsing(source.id, pin.id, id));
      throw error;
    }
  }

  /** The pin that a clone is made of, used by it. */
  private async ownPin(
    source: VolumeHead,
    clone: string,
    from: { snapshot?: string; atMs?: number },
  ): Promise<Pin> {
    const { points } = this.parts;
    if (from.snapshot !== undefined) return await points.use(source.id, from.snapshot, clone);
    const when = from.atMs === undefined ? {} : { atMs: from.atMs };
    const wanted = { id: `clone-${clone}`, name: '', state: 'hidden' as const, ...when };
    const { id } = await points.pin(source, wanted);
    return await points.use(source.id, id, clone);
  }

  /**
   * A sealed volume never changes, so all its clones can use one pin. It ends with the last of them, perhaps this very moment: then the next has
   * another id, since whoever ends the old one may do so twice.
   */
  private async sharedPin(source: VolumeHead, clone: string): Promise<Pin> {
    const { points } = this.parts;
    for (let tries = 1; ; tries++) {
      const present = await points.findHidden(source.id, sealedPin);
      const made = { id: `${sealedPin}-${randomUuid(this.options.random)}`, name: '' };
      const { id } = present ?? (await points.pin(source, { ...made, state: 'hidden' }));
      try {
        return await points.use(source.id, id, clone);
      } catch (error) {
        if (!isFailure(error, 'missing') || tries === sharedPinTries) throw error;
      }
    }
  }

  /** What a backup and those it builds on hold. */
  async restore(request: RestoreRequest): Promise<VolumeHead> {
    const { id, name, project, record } = request;
    if (id !== undefined) {
      const present = await this.find(id);
      if (present !== undefined && present.state === 'ready') return present;
      if (present !== undefined) await this.parts.points.purge(present.id);
    }
    const { keys } = this.parts.engine.context;
    const manifest = await readManifest(request, record.prefix);
    const sizeBytes = wholeSize(request.sizeBytes ?? manifest.sizeBytes);
    if (sizeBytes < manifest.sizeBytes) throw badVolume('The volume is smaller than its backup');
    const { encryption } = manifest;
    const wanted: CreateVolume = {
      ...(id === undefined ? {} : { id }),
      name,
      project,
      ...(encryption === undefined
        ? {}
        : { encryption: { keyId: encryption.keyId, cipher: encryption.cipher } }),
    };
    const head: VolumeHead = { ...(await this.newHead(wanted, sizeBytes)), state: 'creating' };
    await this.write(head);
    return await this.fill(head, (volume) => restoreInto(volume, request, keys));
  }

  private async fill(
    head: VolumeHead,
    copy: (volume: Volume) => Promise<void>,
  ): Promise<VolumeHead> {
    try {
      const volume = await this.parts.engine.open(head.id);
      try {
        await copy(volume);
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
      await this.undo(head);
      throw error;
    }
  }

  private async copy(volume: Volume, from: OwnSource, image: ImageFile | undefined): Promise<void> {
    const { disk } = this.options;
    if ('stream' in from) await fillVolume(volume, from.stream);
    else if (image?.format === 'qcow2') await importQcow2(this.options, volume, from.file);
    else await fillVolume(volume, readRaw(disk, from.file, image?.virtualBytes ?? 0));
  }

  private async undo(head: VolumeHead): Promise<void> {
    const { tables, log } = this.options;
    try {
      await this.parts.points.purge(head.id);
      await deleteIndex(tables, head.project, head.id);
    } catch (error) {
      if (!isFailure(error)) throw error;
      // It is listed as half made and can be deleted later.
      log.warn({ err: error, volumeId: head.id }, 'a half-made volume stays behind');
    }
  }
}
