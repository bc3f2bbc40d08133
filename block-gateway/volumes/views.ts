/** What the outside sees of a head row and of a pin. */
import type { VolumeHead } from '../volume/head.ts';
import type { Pin } from '../volume/pin-rows.ts';
import type { SnapshotInfo, VolumeInfo } from './service.ts';

export function infoOf(head: VolumeHead): VolumeInfo {
  const { id, name, project, sizeBytes, createdUs, state, durability, epoch, gateway } = head;
  const { sealed = false, qos = {}, retentionS = 0, encryption, parent, hold } = head;
  return {
    id,
    name,
    project,
    sizeBytes,
    createdUs,
    state,
    durability,
    epoch,
    gateway,
    sealed,
    qos,
    retentionS,
    ...(encryption === undefined
      ? {}
      : { encryption: { keyId: encryption.keyId, cipher: encryption.cipher } }),
    ...(hold === undefined ? {} : { shares: true }),
    ...(parent === undefined ? {} : { parent: { volume: parent.volume, snapshot: parent.pin } }),
  };
}

export function snapshotOf(pin: Pin): SnapshotInfo {
  const { id, volume, name, sizeBytes, createdUs } = pin;
  return { id, volume, name, sizeBytes, createdUs };
}
