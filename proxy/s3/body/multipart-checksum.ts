/** The checksum of an object made of parts: of its bytes (`FULL_OBJECT`), or of its parts' checksums (`COMPOSITE`). */
import type { Fields, UploadedPart } from '../../objects/index.ts';
import type { ChecksumType } from '../checksum-headers.ts';
import { S3Failure } from '../s3-failure.ts';
import {
  type ChecksumAlgorithm,
  checksumAlgorithms,
  isChecksumAlgorithm,
  startSimple,
} from './checksum-algorithms.ts';
import { type CrcAlgorithm, CrcCombiner } from './crc-combine.ts';

export interface ChecksumPlan {
  readonly algorithm: ChecksumAlgorithm;
  readonly type: ChecksumType;
}

/** A part as the completing client lists it. */
export interface CompletedPart {
  readonly number: number;
  readonly etag: string;
  readonly checksums: Fields;
}

export function checksumPlan(
  algorithm: ChecksumAlgorithm | undefined,
  type: string | undefined,
): ChecksumPlan | undefined {
  const word = type?.toUpperCase();
  if (word !== undefined && word !== 'FULL_OBJECT' && word !== 'COMPOSITE')
    throw new S3Failure('InvalidRequest', {
      message: 'Value for x-amz-checksum-type header is invalid.',
    });
  if (algorithm === undefined) {
    if (word === undefined) return undefined;
    throw new S3Failure('InvalidRequest', {
      message:
        'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    });
  }
  const chosen = word ?? (algorithm === 'crc64nvme' ? 'FULL_OBJECT' : 'COMPOSITE');
  const possible =
    (chosen === 'FULL_OBJECT' && isCrc(algorithm)) ||
    (chosen === 'COMPOSITE' && algorithm !== 'crc64nvme');
  if (!possible)
    throw new S3Failure('InvalidRequest', {
      message: `The ${chosen} checksum type cannot be used with the ${algorithm} checksum algorithm.`,
    });
  return { algorithm, type: chosen };
}

/** Of an upload begun without a checksum. */
export function fallbackPlan(setting: 'crc64nvme' | 'none'): ChecksumPlan | undefined {
  return setting === 'none' ? undefined : { algorithm: setting, type: 'FULL_OBJECT' };
}

/** A part's checksum as it is shown: one that nobody asked for is not. */
export function shownChecksums(checksums: Fields, plan: ChecksumPlan | undefined): Fields {
  if (plan !== undefined) return checksums;
  const { crc64nvme: _, ...others } = checksums;
  return others;
}

function isCrc(algorithm: ChecksumAlgorithm): algorithm is CrcAlgorithm {
  return algorithm.startsWith('crc');
}

// Kept among the upload's own fields until it is completed.
const algorithmField = 's3-checksum-algorithm';
const typeField = 's3-checksum-type';

export function planFields(plan: ChecksumPlan | undefined): Fields {
  return plan === undefined ? {} : { [algorithmField]: plan.algorithm, [typeField]: plan.type };
}

export function checksumPlanOf(system: Fields): ChecksumPlan | undefined {
  const algorithm = system[algorithmField];
  if (algorithm === undefined || !isChecksumAlgorithm(algorithm)) return undefined;
  return { algorithm, type: system[typeField] === 'FULL_OBJECT' ? 'FULL_OBJECT' : 'COMPOSITE' };
}

/** A part comes with the checksum that its upload was begun with; one of the whole object can be made without the client's. */
export function checkPartChecksum(
  plan: ChecksumPlan | undefined,
  declared: ChecksumAlgorithm | undefined,
): void {
  if (plan === undefined || declared === plan.algorithm) return;
  if (declared === undefined && plan.type === 'FULL_OBJECT') return;
  throw new S3Failure('InvalidRequest', {
    message: `Checksum Type mismatch occurred, expected checksum Type: ${plan.algorithm}, actual checksum Type: ${declared ?? 'null'}`,
  });
}

/**
 * The finished object's checksum fields. A part's checksum that the client tells must be the one it had; where a part
 * was uploaded without any, the object gets none.
 */
export function combineParts(
  plan: ChecksumPlan | undefined,
  stored: readonly UploadedPart[],
  told: readonly CompletedPart[],
): Fields {
  const toldOf = new Map(told.map((part) => [part.number, part]));
  for (const part of stored) comparePart(part, toldOf.get(part.number));
  if (plan === undefined || stored.some((part) => part.checksums[plan.algorithm] === undefined))
    return {};
  const { algorithm, type } = plan;
  const raw = (part: UploadedPart) => Buffer.from(part.checksums[algorithm] ?? '', 'base64');
  if (type === 'FULL_OBJECT' && isCrc(algorithm)) {
    const combiner = new CrcCombiner(algorithm);
    for (const part of stored) combiner.append(raw(part), part.size);
    return { [algorithm]: combiner.digest().toString('base64'), type };
  }
  if (algorithm === 'crc64nvme') return {};
  const running = startSimple(algorithm);
  for (const part of stored) running.update(raw(part));
  return { [algorithm]: `${running.digest().toString('base64')}-${stored.length}`, type };
}

/** The parts' own checksums, so that GetObjectAttributes and reads of parts can show them; base64, in order. */
export const partChecksumsField = 'parts';

export function partChecksums(
  plan: ChecksumPlan | undefined,
  stored: readonly UploadedPart[],
): Fields {
  if (plan === undefined) return {};
  const all = stored.map((part) => part.checksums[plan.algorithm] ?? '');
  return all.includes('') ? {} : { [partChecksumsField]: all.join(',') };
}

function comparePart(stored: UploadedPart, told: CompletedPart | undefined): void {
  for (const algorithm of checksumAlgorithms) {
    const value = told?.checksums[algorithm];
    if (value !== undefined && value !== stored.checksums[algorithm])
      throw new S3Failure('InvalidPart', {
        details: { PartNumber: String(stored.number), ETag: stored.etag },
      });
  }
}
