/** Tells others what happened in buckets. */
import type { Container } from '../../objects/index.ts';
import type { S3Request } from '../context.ts';

export interface Happened {
  /** `ObjectCreated:Put` and the like. */
  readonly event: string;
  readonly container: Container;
  readonly key: string;
  readonly size?: number;
  readonly etag?: string;
  readonly versionId?: string;
}

export interface Notifier {
  /** Whether a name in a bucket's configuration is one of ours. */
  knows(target: string): boolean;
  /** Returns at once; what does not fit the queue is counted and dropped. */
  tell(request: S3Request | undefined, happened: Happened): void;
  close(): Promise<void>;
}

export const silentNotifier: Notifier = {
  knows: () => false,
  tell: () => undefined,
  close: async () => undefined,
};
