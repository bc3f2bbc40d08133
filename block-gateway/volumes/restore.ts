/** Restoring: the newest backup of the chain first, and of the older ones only what no newer one says anything about. */
import { Failure } from '#common';
import { Ciphers, type KeyStore } from '../volume/ciphers.ts';
import { dataEntry, holdsData, zeroEntry } from '../volume/entries.ts';
import { ExtentMap, type Found } from '../volume/extent-map.ts';
import { sectorBytes } from '../volume/units.ts';
import type { Volume } from '../volume/volume.ts';
import {
  type BackupManifest,
  type BackupObject,
  decodeBackupManifest,
  decodeBackupObject,
  manifestName,
  objectName,
} from './backup-format.ts';
import type { RestoreRequest } from './backup-types.ts';

const extentSectorsMax = 65_536;

export async function readManifest(
  request: RestoreRequest,
  prefix: string,
): Promise<BackupManifest> {
  const manifest = decodeBackupManifest(await request.store.get(manifestName(prefix)));
  const { keyId } = request;
  if (keyId !== undefined && keyId !== (manifest.encryption?.keyId ?? null))
    throw new Failure('denied', 'backup-key', 'The backup is sealed with another key', {
      facts: { prefix },
    });
  return manifest;
}

export async function restoreInto(
  volume: Volume,
  request: RestoreRequest,
  keys: KeyStore,
): Promise<void> {
  const { record, signal, onProgress } = request;
  const restoring = new Restoring(volume);
  const prefixes = [...record.chain, record.prefix].reverse();
  const manifests = await Promise.all(prefixes.map((prefix) => readManifest(request, prefix)));
  const totalBytes = manifests.reduce((sum, manifest) => sum + manifest.dataBytes, 0);
  let doneBytes = 0;
  for (const [index, manifest] of manifests.entries()) {
    const ciphers = await Ciphers.open(keys, manifest.encryption);
    const cipher = ciphers.of(manifest.volume);
    restoring.nextBackup();
    for (let number = 1; number <= manifest.objects; number++) {
      if (signal?.aborted === true)
        throw new Failure('closed', 'restore-cancelled', 'The restore was cancelled');
      const source = await request.store.get(objectName(prefixes[index] ?? '', number));
      const object = decodeBackupObject(source, { volume: manifest.volume, number }, cipher);
      checkRanges(object, volume.sizeBytes / sectorBytes);
      await restoring.apply(object);
      doneBytes += object.data.length;
      onProgress?.({ doneBytes, totalBytes });
    }
  }
}

/** A store is not ours: what a backup says is believed only where a backup could have said it. */
function checkRanges({ entries, number }: BackupObject, sectorsMax: number): void {
  for (let at = 0; at < entries.count; at++) {
    const kind = entries.kind(at);
    const end = entries.start(at) + entries.sectors(at);
    if ((kind === dataEntry || kind === zeroEntry) && end <= sectorsMax) continue;
    throw new Failure('corrupt', 'backup-range', 'A backup names a range that its volume lacks', {
      facts: { number, kind, end },
    });
  }
}

class Restoring {
  private readonly volume: Volume;
  /** What newer backups have said something about, as extents of nothing. */
  private readonly covered = new ExtentMap(() => {});
  private fresh: [number, number][] = [];

  constructor(volume: Volume) {
    this.volume = volume;
  }

  /** Ranges of one backup don't overlap, so they count only from the next one on. */
  nextBackup(): void {
    for (const [start, sectors] of this.fresh) {
      for (let done = 0; done < sectors; done += extentSectorsMax) {
        const count = Math.min(extentSectorsMax, sectors - done);
        this.covered.put(start + done, count, 0, 0);
      }
    }
    this.fresh = [];
  }

  async apply(object: BackupObject): Promise<void> {
    const { entries, data } = object;
    let from = 0;
    for (let at = 0; at < entries.count; at++) {
      const start = entries.start(at);
      const sectors = entries.sectors(at);
      const holds = holdsData(entries.kind(at));
      if (holds) await this.write(start, sectors, data, from);
      if (holds) from += sectors * sectorBytes;
      this.fresh.push([start, sectors]);
    }
  }

  private async write(start: number, sectors: number, data: Buffer, from: number): Promise<void> {
    const found: Found = { slot: -1, offset: 0, sectors: 0 };
    for (let done = 0; done < sectors; ) {
      this.covered.locate(start + done, found);
      const count = Math.min(found.sectors, sectors - done);
      if (found.slot < 0) {
        const offset = (start + done) * sectorBytes;
        await this.volume.write(offset, data, from + done * sectorBytes, count * sectorBytes);
      }
      done += count;
    }
  }
}
