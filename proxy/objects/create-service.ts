/** Puts the object service together. */
import type { Blobs, Tables } from '#cluster';
import { type Clock, type Logger, type Random, randomHex } from '#common';
import type { ProxySettings } from '../settings.ts';
import { createAccounts } from './accounts.ts';
import { BlobGarbage } from './blob-garbage.ts';
import { CodingPolicies } from './coding-policies.ts';
import { ContainerCache } from './container-cache.ts';
import { createContainers } from './containers.ts';
import type { ObjectContext } from './context.ts';
import { createDuties } from './duties.ts';
import { KeyStore } from './encryption/key-store.ts';
import { ObjectEncryption } from './encryption/object-encryption.ts';
import { KeyedLocks } from './keyed-locks.ts';
import type { ObjectService } from './object-service.ts';
import { createObjects } from './objects.ts';
import { createRecords } from './records.ts';
import { createUploads } from './uploads.ts';
import { Gravestones } from './versions/gravestones.ts';

export interface ObjectServiceOptions {
  readonly tables: Tables;
  readonly blobs: Blobs;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly settings: ProxySettings;
  /** This process alone writes and reads these tables; see `blob-garbage.ts`. */
  readonly soleCoordinator?: boolean;
  /** The cluster's secret that seals the keys of encrypted objects; without it they open in this process only. */
  readonly secret?: Buffer;
  /** How many devices there are to spread fragments over; unknown, policies with fragments are refused. */
  readonly deviceCount?: () => number;
}

export function createObjectService(options: ObjectServiceOptions): ObjectService {
  const { settings } = options;
  const garbage = new BlobGarbage(options);
  const cache = new ContainerCache(options.clock, {
    lifeMs: settings.containerCacheMs,
    max: settings.containerCacheMax,
  });
  const secret = options.secret ?? options.random.bytes(32);
  const keys = new KeyStore({ ...options, secret });
  const encryption = new ObjectEncryption(keys, options.random);
  const gravestones = new Gravestones(options);
  const context: ObjectContext = {
    ...options,
    cache,
    garbage,
    coding: new CodingPolicies(
      settings.erasurePolicies,
      options.deviceCount ?? (() => 0),
      settings.classPolicies,
    ),
    gravestones,
    locks: new KeyedLocks(),
    encryption,
    processId: randomHex(options.random, 8),
  };
  const containers = createContainers(context);
  return {
    accounts: createAccounts(context, containers),
    containers,
    objects: createObjects(context),
    uploads: createUploads(context),
    encryption,
    keys,
    codingPolicies: context.coding.all,
    duties: createDuties(context),
    records: createRecords(context),
    close: async () => {
      await Promise.all([garbage.close(), gravestones.close()]);
    },
  };
}
