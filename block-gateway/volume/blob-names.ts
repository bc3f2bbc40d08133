/**
 * The ids of a volume's blobs are derived from what they are, so that recovery can look for the segments after the last
 * checkpoint, and find what a gateway that died left behind, without a row for each. The epoch is part of the name: two gateways that
 * both believe they write segment 7 can never mean the same blob.
 */
import { createHash } from 'node:crypto';

/** Numbers beside the volume's id and the writer's epoch. */
export function segmentBlobId(volumeId: string, number: number, epoch: number): string {
  return derived(`segment/${volumeId}/${number}/${epoch}`);
}

export function checkpointBlobId(
  volumeId: string,
  checkpoint: { readonly epoch: number; readonly serial: number },
  part: number,
): string {
  return derived(`checkpoint/${volumeId}/${checkpoint.epoch}/${checkpoint.serial}/${part}`);
}

/** A batch of the write log that lies on the storage nodes. */
export function tailBlobId(volumeId: string, number: number, epoch: number, index: number): string {
  return derived(`tail/${volumeId}/${number}/${epoch}/${index}`);
}

function derived(name: string): string {
  return createHash('sha256').update(`pileus volume blob 1: ${name}`).digest('hex').slice(0, 32);
}
