/** Quotas of containers and accounts, as Swift's headers set them: they hold for what comes by S3 as well. */
import { LRUCache } from 'lru-cache';
import type { Container, ObjectService } from '../objects/index.ts';
import { type Quota, quotasOf } from '../swift/account-quotas.ts';
import { S3Failure } from './s3-failure.ts';

const accountsMax = 10_000;
/** A new quota of an account counts after this at the latest. */
const lifeMs = 2_000;

export class Quotas {
  private readonly objects: ObjectService;
  private readonly known = new LRUCache<string, readonly Quota[]>({
    max: accountsMax,
    ttl: lifeMs,
  });

  constructor(objects: ObjectService) {
    this.objects = objects;
  }

  /** Throws `QuotaExceeded` when as many bytes more, in one object more, are too much. */
  async check(container: Container, bytes: number): Promise<void> {
    await this.checkContainer(container, bytes);
    const { account } = container;
    let quotas = this.known.get(account);
    if (quotas === undefined) {
      quotas = quotasOf(await this.objects.accounts.get(account));
      this.known.set(account, quotas);
    }
    const [first] = quotas.filter(({ policy }) => policy === undefined);
    if (first === undefined) return;
    const used = await this.objects.accounts.usage(account);
    for (const { kind, policy, limit } of quotas)
      if (
        policy === undefined &&
        (kind === 'bytes' ? used.bytes + bytes : used.objects + 1) > limit
      )
        throw new S3Failure('QuotaExceeded');
  }

  private async checkContainer(container: Container, bytes: number): Promise<void> {
    const { 'quota-bytes': bytesMax, 'quota-count': countMax } = container.metadata;
    if (bytesMax === undefined && countMax === undefined) return;
    const used = await this.objects.containers.usage(container);
    const after = used.bytes + (used.versionBytes ?? 0) + bytes;
    if (exceeds(bytesMax, after) || exceeds(countMax, used.objects + 1))
      throw new S3Failure('QuotaExceeded');
  }
}

function exceeds(limit: string | undefined, value: number): boolean {
  return limit !== undefined && /^\d+$/.test(limit) && value > Number(limit);
}
