/** Uploads that were begun and neither completed nor aborted. */
import { isFailure } from '#common';
import { dayMsOf, type LifecycleContext, nowMsOf, pageMax } from './context.ts';
import { dueMs } from './rule-match.ts';
import type { PhasePage } from './worker.ts';

export async function expireUploads(
  context: LifecycleContext,
  { container, rules, marker }: PhasePage,
): Promise<readonly string[] | undefined> {
  const acting = rules.filter(({ abortDays }) => abortDays !== undefined);
  if (acting.length === 0) return undefined;
  const { uploads } = context.objects;
  const [nameMarker, uploadIdMarker] = marker;
  const page = await uploads.list(container, {
    limit: pageMax,
    ...(nameMarker === undefined ? {} : { nameMarker }),
    ...(uploadIdMarker === undefined ? {} : { uploadIdMarker }),
  });
  let last: readonly string[] | undefined;
  for (const entry of page.entries) {
    if (entry.prefix !== undefined) continue;
    const { name, uploadId, startedUs } = entry;
    last = [name, uploadId];
    const isDue = acting.some(
      ({ filter, abortDays = 0 }) =>
        name.startsWith(filter.prefix) &&
        dueMs({ days: abortDays }, startedUs / 1000, dayMsOf(context)) <= nowMsOf(context),
    );
    if (isDue) await abort(context, { container, name, uploadId });
  }
  return page.more ? last : undefined;
}

async function abort(
  { objects }: LifecycleContext,
  ref: Parameters<LifecycleContext['objects']['uploads']['abort']>[0],
): Promise<void> {
  try {
    await objects.uploads.abort(ref);
  } catch (error) {
    // Completed or aborted meanwhile.
    if (!isFailure(error, 'missing') && !isFailure(error, 'conflict')) throw error;
  }
}
