/** What the parts of the object service share. */
import type { Blobs, Tables } from '#cluster';
import type { Clock, Logger, Random } from '#common';
import type { ProxySettings } from '../settings.ts';
import type { BlobGarbage } from './blob-garbage.ts';
import type { CodingPolicies } from './coding-policies.ts';
import type { ContainerCache } from './container-cache.ts';
import type { ObjectEncryption } from './encryption/object-encryption.ts';
import type { KeyedLocks } from './keyed-locks.ts';
import type { Gravestones } from './versions/gravestones.ts';

export interface ObjectContext {
  readonly tables: Tables;
  readonly blobs: Blobs;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly settings: ProxySettings;
  readonly cache: ContainerCache;
  readonly garbage: BlobGarbage;
  readonly coding: CodingPolicies;
  readonly gravestones: Gravestones;
  readonly locks: KeyedLocks;
  readonly encryption: ObjectEncryption;
  /** Random: tells what this process began from what another did. */
  readonly processId: string;
}
