/** What the ways of importing have in common. */
import type { Declared } from '../content/intake.ts';
import type { ImageRecord } from '../images/records.ts';

export interface ImportProgress {
  readonly signal: AbortSignal;
  progress(done: number, total: number, unit?: string): void;
}

/** What the image says its data is. */
export const declaredBy = (image: ImageRecord): Declared => ({
  diskFormat: image.disk_format ?? 'raw',
  containerFormat: image.container_format ?? 'bare',
});
