/** The head of a new volume: empty, or over what a point of another volume is made of. */
import { Failure, type Random, randomUuid } from '#common';
import { type KeyStore, newEncryption } from '../volume/ciphers.ts';
import { isVolumeId, type Manifest, type VolumeHead } from '../volume/head.ts';
import type { Pin } from '../volume/pin-rows.ts';
import { decodeQos } from '../volume/qos.ts';
import { sectorBytes, volumeBytesMax } from '../volume/units.ts';
import type { CreateVolume } from './service.ts';

const nameLengthMax = 255;
const retentionSMax = 366 * 86_400;

export interface NewHeadParts {
  readonly wanted: CreateVolume;
  readonly sizeBytes: number;
  readonly nowUs: number;
  readonly random: Random;
  readonly keys: KeyStore;
  /** What it is a clone of. */
  readonly source?: { readonly head: VolumeHead; readonly pin: Pin };
}

export async function newHead(parts: NewHeadParts): Promise<VolumeHead> {
  const { wanted, sizeBytes, nowUs, random, keys, source } = parts;
  const { name, project, from, sealed, qos, retentionS, durability } = wanted;
  checkWanted(wanted);
  const id = wanted.id ?? randomUuid(random);
  const filled = from !== undefined && ('stream' in from || 'file' in from);
  const from_ = source?.head.encryption;
  const keyId = wanted.encryption?.keyId ?? from_?.keyId;
  if (source !== undefined && (keyId === undefined) !== (from_ === undefined))
    throw badVolume('A clone is encrypted when its source is');
  const encryption =
    keyId === undefined
      ? undefined
      : await newEncryption(keys, random, {
          volumeId: id,
          keyId,
          ...(from_ === undefined ? {} : { from: from_ }),
        });
  return {
    id,
    name,
    project,
    sizeBytes,
    createdUs: nowUs,
    state: filled ? 'creating' : 'ready',
    durability: durability ?? 'local',
    ...(sealed === true ? { sealed } : {}),
    ...(qos === undefined ? {} : { qos }),
    ...(encryption === undefined ? {} : { encryption }),
    ...(retentionS === undefined || retentionS === 0 ? {} : { retentionS }),
    ...(source === undefined ? {} : { parent: { volume: source.head.id, pin: source.pin.id } }),
    epoch: 0,
    gateway: '',
    sinceUs: nowUs,
    ...(source === undefined ? { tail: [] } : sharedManifest(source.pin)),
  };
}

/** The same segments, named as another volume's. */
function sharedManifest(pin: Pin): Manifest {
  const { volume, checkpoint, tail } = pin;
  return {
    ...(checkpoint === undefined ? {} : { checkpoint: { volume, ...checkpoint } }),
    tail: tail.map((run) => ({ volume, ...run })),
  };
}

export function checkWanted(wanted: Partial<CreateVolume>): void {
  const { id, name, qos, retentionS } = wanted;
  if (id !== undefined && !isVolumeId(id)) throw badVolume('A volume id is a UUID');
  if (name !== undefined && (name.length === 0 || name.length > nameLengthMax))
    throw badVolume('A volume needs a name of at most 255 characters');
  if (qos !== undefined) {
    try {
      decodeQos({ ...qos });
    } catch (error) {
      throw new Failure('invalid', 'bad-qos', 'Limits are positive numbers', { cause: error });
    }
  }
  const sane =
    retentionS === undefined ||
    (Number.isSafeInteger(retentionS) && retentionS >= 0 && retentionS <= retentionSMax);
  if (!sane) throw badVolume('A retention is whole seconds, at most 366 days');
}

export function wholeSize(wanted: number | undefined): number {
  if (wanted === undefined || !Number.isSafeInteger(wanted) || wanted <= 0)
    throw badVolume('A volume needs a size');
  const sizeBytes = Math.ceil(wanted / sectorBytes) * sectorBytes;
  if (sizeBytes > volumeBytesMax) throw badVolume('The volume is too large');
  return sizeBytes;
}

export function badVolume(message: string): Failure {
  return new Failure('invalid', 'bad-volume', message);
}
