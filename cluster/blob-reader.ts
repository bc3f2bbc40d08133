/** Reads blobs from whichever replica answers well and soon: primaries first, then the devices that may stand in for them. */
import { Failure, giveBack, isFailure } from '#common';
import { type BlobInfo, type BlobKey, blobReadBytesMax, type DeviceService } from '#wire';
import type { BlobRepair } from './blob-repair.ts';
import type { Core } from './core.ts';
import { askHedged, type HedgedOutcome, type ReplicaSet, readOrder } from './gather.ts';
import { quorumFailure, type ReplicaFailure, thresholdsOf } from './quorum.ts';
import type { Replica } from './replica.ts';

export class BlobReader {
  private readonly core: Core;
  private readonly repair: BlobRepair;

  constructor(core: Core, repair: BlobRepair) {
    this.core = core;
    this.repair = repair;
  }

  read(key: BlobKey, offset: number, length: number): Promise<Buffer> {
    checkRange(offset, length);
    // A copy that a hedge overtook is nobody's, so its memory is free again.
    return this.first(key, (device) => device.readBlob(key, offset, length), giveBack);
  }

  async find(key: BlobKey): Promise<BlobInfo | undefined> {
    try {
      return await this.first(key, async (device) => {
        const info = await device.statBlob(key);
        if (info === undefined) throw missing(key);
        return info;
      });
    } catch (error) {
      if (isFailure(error, 'missing')) return undefined;
      throw error;
    }
  }

  private async first<T>(
    key: BlobKey,
    run: (device: DeviceService) => Promise<T>,
    late?: (value: T) => void,
  ): Promise<T> {
    const primaries = this.core.primariesOf(key.hash);
    const near = await this.ask(readOrder(primaries, key.hash, 'blob'), run, late);
    const answer = near.answers[0];
    this.mendLater(key, near.failures, answer !== undefined);
    if (answer !== undefined) return answer.value;
    const far = await this.ask(this.standIns(key.hash, primaries.length), run, late);
    const found = far.answers[0];
    if (found !== undefined) return found.value;
    throw verdictOf(key, lackingNeeded(primaries), near.failures, far.failures);
  }

  private ask<T>(
    candidates: readonly Replica[],
    run: (device: DeviceService) => Promise<T>,
    late: ((value: T) => void) | undefined,
  ): Promise<HedgedOutcome<T>> {
    const send = (replica: Replica) => replica.call('blob', 0, run);
    return askHedged<T>({
      ...{ wheel: this.core.wheel, kind: 'blob', candidates, needed: 1, send },
      ...(late === undefined ? {} : { late }),
    });
  }

  private standIns(hash: number, countMax: number): Replica[] {
    const standIns: Replica[] = [];
    for (const replica of this.core.handoffsOf(hash)) {
      if (standIns.length >= countMax) break;
      standIns.push(replica);
    }
    return standIns;
  }

  private mendLater(key: BlobKey, failures: readonly ReplicaFailure[], found: boolean): void {
    for (const { device, error } of failures) {
      const absent = found && isFailure(error, 'missing');
      if (absent || isFailure(error, 'corrupt')) this.repair.later(key, device);
    }
  }
}

/** While a replica moves, some write to one owner less, and know nothing of who has not heard of it. */
function lackingNeeded(primaries: ReplicaSet): number {
  const { length, newcomers } = primaries;
  const smallest = newcomers === undefined ? length : length - 1;
  return length - thresholdsOf(smallest).majority + 1;
}

/**
 * An acknowledged blob is on a majority, so enough primaries that lack it show that there is none, unless a device
 * that may have stood in for them cannot be asked.
 */
function verdictOf(
  key: BlobKey,
  lackingMin: number,
  near: readonly ReplicaFailure[],
  far: readonly ReplicaFailure[],
): Failure {
  const all = near.concat(far);
  const bad = all.find(({ error }) => isFailure(error, 'corrupt'));
  if (bad !== undefined)
    return new Failure('corrupt', 'blob-corrupt', 'No good copy of this blob was found', {
      facts: { id: key.id },
      cause: bad.error,
    });
  const lacking = near.filter(({ error }) => isFailure(error, 'missing')).length;
  const farLacks = far.every(({ error }) => isFailure(error, 'missing'));
  if (lacking >= lackingMin && farLacks) return missing(key);
  return quorumFailure('blob', all);
}

function missing(key: BlobKey): Failure {
  return new Failure('missing', 'blob-missing', 'There is no such blob', {
    facts: { id: key.id },
  });
}

function checkRange(offset: number, length: number): void {
  const good =
    Number.isSafeInteger(offset) &&
    offset >= 0 &&
    Number.isSafeInteger(length) &&
    length >= 0 &&
    length <= blobReadBytesMax;
  if (good) return;
  throw new Failure('invalid', 'bad-range', 'A blob cannot be read at this place', {
    facts: { offset, length },
  });
}
