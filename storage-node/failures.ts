/** Every way a device says no, in one place, so that the disk store and its memory twin say it alike. */
import { type Facts, Failure } from '#common';
import type { BlobKey, DeviceState, Fence, RowKey } from '#wire';

export function badRequest(message: string, facts: Facts): Failure {
  return new Failure('invalid', 'bad-request', message, { facts });
}

export function rowCorrupt(key: RowKey, reason: string): Failure {
  return new Failure('corrupt', 'row-corrupt', 'This copy of the row failed its checksum', {
    facts: { table: key.table, partition: key.partition, sort: key.sort, reason },
  });
}

export function blobCorrupt(key: BlobKey, reason: string): Failure {
  return new Failure('corrupt', 'blob-corrupt', 'This copy of the blob failed its checksum', {
    facts: { id: key.id, reason },
  });
}

export function blobMissing(key: BlobKey): Failure {
  return new Failure('missing', 'blob-missing', 'This device does not hold the blob', {
    facts: { id: key.id },
  });
}

export function blobExists(key: BlobKey): Failure {
  return new Failure('conflict', 'blob-exists', 'The blob exists with other content', {
    facts: { id: key.id },
  });
}

export function fenced(fence: Fence, epochInForce: number): Failure {
  return new Failure('denied', 'fenced', 'A newer epoch was raised for this scope', {
    facts: { scope: fence.scope, epoch: fence.epoch, epochInForce },
  });
}

/** A device that was put in place empty does not vouch for what it lacks. */
export function refilling(): Failure {
  return new Failure('busy', 'device-refilling', 'The device is being refilled after a loss');
}

/** What a device in this state answers to a write. */
export function refusalOf(state: Exclude<DeviceState, 'ok'>): Failure {
  switch (state) {
    case 'full':
      return new Failure('busy', 'device-full', 'The device has no room for more');
    case 'read-only':
      return new Failure('busy', 'device-read-only', 'The device can only be read');
    case 'failed':
      return new Failure('unreachable', 'disk-error', 'The device has failed');
    case 'closed':
      return new Failure('closed', 'device-closed', 'The device was closed');
  }
}
