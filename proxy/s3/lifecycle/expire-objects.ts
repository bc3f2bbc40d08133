/** Current objects: expired by age, date, tag and size; or moved to another storage class. */
import { isFailure } from '#common';
import {
  type Container,
  type ObjectInfo,
  type ObjectSummary,
  storageClassField,
} from '../../objects/index.ts';
import type { LifecycleRule } from '../config/lifecycle.ts';
import { standardClass } from '../storage-class.ts';
import { dayMsOf, type LifecycleContext, nowMsOf, pageMax } from './context.ts';
import { dueMs, isAboutObject } from './rule-match.ts';
import type { PhasePage } from './worker.ts';

export async function expireObjects(
  context: LifecycleContext,
  { container, rules, marker }: PhasePage,
): Promise<readonly string[] | undefined> {
  const acting = rules.filter(
    ({ expiration, transitions }) => expiration !== undefined || transitions.length > 0,
  );
  if (acting.length === 0) return undefined;
  const [after] = marker;
  const page = await context.objects.containers.list(container, {
    limit: pageMax,
    ...commonPrefix(acting),
    ...(after === undefined ? {} : { marker: after }),
  });
  let last: string | undefined;
  for (const entry of page.entries) {
    if (entry.name === undefined) continue;
    last = entry.name;
    const candidates = acting.filter((rule) => mayBeDue(context, rule, entry));
    if (candidates.length > 0) await actOn(context, container, { entry, rules: candidates });
  }
  return page.more && last !== undefined ? [last] : undefined;
}

/** Rules that are all about one prefix need no more than that listed. */
function commonPrefix(rules: readonly LifecycleRule[]): { readonly prefix?: string } {
  const [first] = rules;
  const prefix = first?.filter.prefix ?? '';
  return prefix !== '' && rules.every((rule) => rule.filter.prefix === prefix) ? { prefix } : {};
}

/** By what the listing shows; tags are looked at later, for the few that are due. */
function mayBeDue(context: LifecycleContext, rule: LifecycleRule, entry: ObjectSummary): boolean {
  const untagged = { ...rule.filter, tags: [] };
  if (!isAboutObject(untagged, { name: entry.name, size: entry.size, system: {} })) return false;
  return (
    isExpired(context, rule, entry.modifiedUs) || transitionOf(context, [rule], entry) !== undefined
  );
}

function isExpired(context: LifecycleContext, rule: LifecycleRule, modifiedUs: number): boolean {
  const { expiration } = rule;
  if (expiration === undefined) return false;
  return dueMs(expiration, modifiedUs / 1000, dayMsOf(context)) <= nowMsOf(context);
}

/** The class that the latest due transition leads to, if the object is not in it. */
function transitionOf(
  context: LifecycleContext,
  rules: readonly LifecycleRule[],
  { modifiedUs, storageClass }: { readonly modifiedUs: number; readonly storageClass?: string },
): string | undefined {
  const due = rules
    .flatMap(({ transitions }) => transitions)
    .map((each) => ({
      to: each.storageClass,
      ms: dueMs(each, modifiedUs / 1000, dayMsOf(context)),
    }))
    .filter(({ ms }) => ms <= nowMsOf(context))
    .sort((a, b) => b.ms - a.ms);
  const to = due[0]?.to;
  return to === (storageClass ?? standardClass) ? undefined : to;
}

interface Due {
  readonly entry: ObjectSummary;
  readonly rules: readonly LifecycleRule[];
}

async function actOn(
  context: LifecycleContext,
  container: Container,
  { entry, rules }: Due,
): Promise<void> {
  const ref = { container, name: entry.name };
  try {
    const info = await context.objects.objects.head(ref);
    const fitting = rules.filter(({ filter }) => isAboutObject(filter, info));
    if (fitting.some((rule) => isExpired(context, rule, info.modifiedUs)))
      await expire(context, container, info);
    else await transition(context, container, info, fitting);
  } catch (error) {
    // Changed or gone meanwhile: it is somebody's again, or nobody's.
    if (!isFailure(error, 'missing') && !isFailure(error, 'conflict')) throw error;
  }
}

async function expire(
  { objects, notifier }: LifecycleContext,
  container: Container,
  info: ObjectInfo,
): Promise<void> {
  const ifModifiedAtS = Math.floor(info.modifiedUs / 1_000_000);
  const done = await objects.objects.delete(
    { container, name: info.name },
    { mode: 'strict', conditions: { ifModifiedAtS, ifSize: info.size } },
  );
  const { versionId } = done;
  notifier.tell(undefined, {
    event:
      done.deleteMarker === true
        ? 'LifecycleExpiration:DeleteMarkerCreated'
        : 'LifecycleExpiration:Delete',
    container,
    key: info.name,
    ...(versionId === undefined ? {} : { versionId }),
  });
}

async function transition(
  context: LifecycleContext,
  container: Container,
  info: ObjectInfo,
  rules: readonly LifecycleRule[],
): Promise<void> {
  const storageClass = info.system[storageClassField];
  const now = {
    modifiedUs: info.modifiedUs,
    ...(storageClass === undefined ? {} : { storageClass }),
  };
  const to = transitionOf(context, rules, now);
  if (to === undefined) return;
  await context.objects.objects.move(
    { container, name: info.name },
    (present) => ({ ...present, system: { ...present.system, [storageClassField]: to } }),
    { keepModified: true },
  );
  context.notifier.tell(undefined, { event: 'LifecycleTransition', container, key: info.name });
}
