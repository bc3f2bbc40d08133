/**
 * Volumes as NBD exports, and who may open which:
 *   - who comes over the network names an export by the secret of an attachment, or has proven an attachment's pre-shared key; either is good
 *     for that attachment's volume and nothing else;
 *   - who comes through the unix socket, which only the operator can reach, names a volume by its id, a snapshot as `VOLUME@SNAPSHOT`, or the volume
 *     as it was, within its retention, as `VOLUME@2026-11-28T08:00:00Z`;
 *   - a compute host comes by a socket of its own and names exports by secrets as well, of attachments of guests that are there.
 * What may not be opened looks like what does not exist.
 */
import { isFailure } from '#common';
import type {
  AttachOptions,
  NbdAttachment,
  NbdClient,
  NbdExportInfo,
  NbdExports,
  StatusRun,
} from '../nbd/exports.ts';
import { dirtyBitmapPrefix, dirtyFlag } from '../nbd/protocol.ts';
import { missingVolume } from '../volume/head-row.ts';
import type { ReadOnlyVolume } from '../volume/read-only-volume.ts';
import type { Held } from './attachments.ts';
import { LimitedDevice } from './limited-device.ts';
import type { OpenPoint, VolumeInfo } from './service.ts';
import type { Ended, VolumesOfGateway } from './volumes.ts';

export interface VolumeExportsOptions {
  /** Clients of the network may open volumes by their ids. */
  readonly openExports?: boolean;
  /** Which volumes clients of the unix socket may list; undefined for none. */
  readonly listProject?: () => Promise<string | undefined>;
  /** Whether this attachment is of a guest at this compute host; no host reaches anything where this is not said. */
  readonly isAt?: (
    host: string,
    of: { readonly volume: string; readonly attachment: string },
  ) => Promise<boolean>;
}

/** What a name stands for to the client who says it. */
interface Granted {
  readonly volume: string;
  readonly snapshot?: string;
  readonly atMs?: number;
  readonly attachment?: string;
  readonly nonce?: string;
  readonly readOnly: boolean;
}

const contextsMax = 64;
/** No id of a snapshot has a colon in it. */
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/;

export function volumeExports(
  volumes: VolumesOfGateway,
  options: VolumeExportsOptions = {},
): NbdExports {
  return new VolumeExports(volumes, options);
}

class VolumeExports implements NbdExports {
  private readonly volumes: VolumesOfGateway;
  private readonly options: VolumeExportsOptions;
  /** The connections of each volume, and by what they came. */
  private readonly cuts = new Map<string, Map<() => void, Granted>>();

  constructor(volumes: VolumesOfGateway, options: VolumeExportsOptions) {
    this.volumes = volumes;
    this.options = options;
    volumes.onDetach((volume, ended) => {
      for (const [cut, by] of this.cuts.get(volume) ?? []) if (isOf(by, ended)) cut();
    });
  }

  async find(name: string, client: NbdClient): Promise<NbdExportInfo | undefined> {
    const granted = await this.grant(name, client);
    if (granted === undefined) return undefined;
    const { volume, snapshot, atMs } = granted;
    try {
      const info = await this.volumes.get(volume);
      if (atMs !== undefined) return await this.past(granted);
      const snapshots = await this.volumes.listSnapshots(volume);
      const one = snapshots.find(({ id }) => id === snapshot);
      if (snapshot !== undefined && one === undefined) return undefined;
      const readOnly = granted.readOnly || info.sealed;
      const contexts = snapshots
        .slice(-contextsMax)
        .map(({ id }) => `${dirtyBitmapPrefix}${id}`)
        .filter(() => !readOnly);
      return { sizeBytes: one?.sizeBytes ?? info.sizeBytes, readOnly, contexts };
    } catch (error) {
      if (isFailure(error, 'missing')) return undefined;
      // Nobody remembers that instant.
      if (isFailure(error, 'conflict') && atMs !== undefined) return undefined;
      throw error;
    }
  }

  /** How large it was then is known when it is opened. */
  private async past(granted: Granted): Promise<NbdExportInfo> {
    const { device, release } = await this.openPoint(granted);
    const { sizeBytes } = device;
    release();
    return { sizeBytes, readOnly: true, contexts: [] };
  }

  async attach(name: string, options: AttachOptions): Promise<NbdAttachment> {
    const granted = await this.grant(name, options.client);
    if (granted === undefined) throw missingVolume(name.slice(0, 36));
    const info = await this.volumes.get(granted.volume);
    const opened =
      granted.readOnly || info.sealed
        ? await this.openPoint(granted)
        : await this.openVolume(info, options.contexts);
    const forget = this.remember(granted, options.cut);
    // What was granted may have ended before this connection was there to be cut.
    if ((await this.grant(name, options.client)) === undefined) {
      forget();
      opened.release();
      throw missingVolume(name.slice(0, 36));
    }
    return {
      ...opened,
      release: () => {
        forget();
        opened.release();
      },
    };
  }

  list(client: NbdClient): Promise<readonly string[]> | undefined {
    const { listProject } = this.options;
    if (!client.local || listProject === undefined) return undefined;
    return listProject().then(async (project) => {
      if (project === undefined) return [];
      return (await this.volumes.list(project)).entries.map((entry) => entry.id);
    });
  }

  private async grant(name: string, client: NbdClient): Promise<Granted | undefined> {
    const { host } = client;
    if (host === undefined) return await this.grantAnyone(name, client);
    const known = await this.volumes.attachments.authenticate(name);
    if (known === undefined) return undefined;
    const of = { volume: known.volume, attachment: known.id };
    return (await this.options.isAt?.(host, of)) === true ? grantOf(known) : undefined;
  }

  private async grantAnyone(name: string, client: NbdClient): Promise<Granted | undefined> {
    const { attachments } = this.volumes;
    if (client.identity !== undefined) {
      const known = await attachments.identified(client.identity);
      if (known === undefined) return undefined;
      const own =
        name === '' || name === known.volume || name.startsWith(`${known.volume}.${known.id}.`);
      return own ? grantOf(known) : undefined;
    }
    const known = await attachments.authenticate(name);
    if (known !== undefined) return grantOf(known);
    if (!client.local && this.options.openExports !== true) return undefined;
    const [volume = '', point] = name.split('@');
    if (point === undefined) return { volume, readOnly: false };
    if (!instant.test(point)) return { volume, snapshot: point, readOnly: true };
    const atMs = Date.parse(point);
    return Number.isNaN(atMs) ? undefined : { volume, atMs, readOnly: true };
  }

  private async openVolume(info: VolumeInfo, contexts: readonly string[]): Promise<NbdAttachment> {
    const { volume, release } = await this.volumes.open(info.id);
    const points = new Map<string, OpenPoint>();
    const end = () => {
      release();
      for (const point of points.values()) void letGo(point);
    };
    try {
      for (const context of contexts) {
        const snapshot = context.slice(dirtyBitmapPrefix.length);
        points.set(context, await this.volumes.openReadOnly(info.id, { snapshot }));
      }
    } catch (error) {
      end();
      throw error;
    }
    return {
      device: new LimitedDevice(volume),
      readOnly: false,
      status: (context, offset, length, runsMax) => {
        const point = points.get(context);
        if (point === undefined) throw missingVolume(context);
        return volume.changedSince(point.volume, { offset, length, runsMax }).map(dirtyRun);
      },
      release: end,
    };
  }

  private async openPoint(granted: Granted): Promise<NbdAttachment> {
    const { volume: id, snapshot, atMs } = granted;
    const when = atMs === undefined ? undefined : { atMs };
    const point = await this.volumes.openReadOnly(id, snapshot === undefined ? when : { snapshot });
    return {
      device: point.volume,
      readOnly: true,
      status: () => {
        throw missingVolume(id);
      },
      release: () => void letGo(point),
    };
  }

  private remember(granted: Granted, cut: () => void): () => void {
    const { volume } = granted;
    const known = this.cuts.get(volume) ?? new Map<() => void, Granted>();
    this.cuts.set(volume, known.set(cut, granted));
    return () => {
      known.delete(cut);
      if (known.size === 0 && this.cuts.get(volume) === known) this.cuts.delete(volume);
    };
  }
}

function grantOf({ volume, id, nonce, mode }: Held): Granted {
  return { volume, attachment: id, nonce, readOnly: mode === 'ro' };
}

/** Whether a connection that came by this is one of those that end. */
function isOf(by: Granted, { attachment, butNonce }: Ended): boolean {
  if (attachment === undefined) return true;
  return attachment === by.attachment && (butNonce === undefined || butNonce !== by.nonce);
}

function dirtyRun(run: { readonly bytes: number; readonly differs: boolean }): StatusRun {
  return { bytes: run.bytes, flags: run.differs ? dirtyFlag : 0 };
}

/** A pin that can't be let go of now goes at the next start of this gateway. */
async function letGo(point: { readonly volume: ReadOnlyVolume; release(): Promise<void> }) {
  try {
    await point.release();
  } catch (error) {
    if (!isFailure(error) || error.kind === 'bug') throw error;
  }
}
