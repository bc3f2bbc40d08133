/** Whether a lifecycle rule is about an object, and when its time has come. Pure. */
import type { Fields } from '../../objects/index.ts';
import type { LifecycleFilter, When } from '../config/lifecycle.ts';
import { tagsOf } from '../config/tags.ts';

export interface Matched {
  readonly name: string;
  readonly size: number;
  readonly system: Fields;
}

export function isAboutObject(filter: LifecycleFilter, object: Matched): boolean {
  const { prefix, tags, sizeAbove, sizeBelow } = filter;
  if (!object.name.startsWith(prefix)) return false;
  if (sizeAbove !== undefined && object.size <= sizeAbove) return false;
  if (sizeBelow !== undefined && object.size >= sizeBelow) return false;
  if (tags.length === 0) return true;
  const has = new Map(tagsOf(object.system));
  return tags.every(([key, value]) => has.get(key) === value);
}

/** S3 counts whole days and acts at the midnight after; with shortened days, for trying rules, from the moment itself. */
export function dueMs(when: When, fromMs: number, dayMs: number): number {
  if (when.dateMs !== undefined) return when.dateMs;
  const due = fromMs + (when.days ?? 0) * dayMs;
  return dayMs === 86_400_000 ? Math.ceil(due / dayMs) * dayMs : due;
}
