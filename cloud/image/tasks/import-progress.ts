/** What the ways of importing have in common. */
import type { Declared } from '../content/intake.ts';
import type { ImageCore, Tx } from '../core.ts';
import type { ImageRecord } from '../images/records.ts';

export interface ImportProgress {
  readonly signal: AbortSignal;
  progress(done: number, total: number, unit?: string): void;
  /** Ends the task as a success, in the transaction that makes the image active: nobody sees the one without the other. */
  succeeded(tx: Tx): Promise<void>;
}

/** Whether compressed data is to be unpacked; an image may say that it is meant to be compressed. */
export const unpacks = (core: ImageCore, image: ImageRecord): boolean =>
  core.settings.decompress && image.container_format !== 'compressed';

/** What the image says its data is. */
export const declaredBy = (image: ImageRecord): Declared => ({
  diskFormat: image.disk_format ?? 'raw',
  containerFormat: image.container_format ?? 'bare',
});
