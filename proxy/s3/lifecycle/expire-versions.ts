/** Older versions, counted from when they were superseded; and delete markers that hide nothing any more. */
import { isFailure } from '#common';
import {
  type Container,
  storageClassField,
  type VersionSummary,
  versioningOf,
} from '../../objects/index.ts';
import type { LifecycleRule } from '../config/lifecycle.ts';
import { standardClass } from '../storage-class.ts';
import { dayMsOf, type LifecycleContext, nowMsOf, pageMax } from './context.ts';
import { dueMs, isAboutObject } from './rule-match.ts';
import type { PhasePage } from './worker.ts';

/** What is carried over a page's end: the name, when its last seen version was made, and how many older ones were seen. */
interface Run {
  readonly name: string;
  /** When the newer neighbour was made: since then the version is not current any more. */
  readonly supersededUs: number;
  readonly older: number;
}

export async function expireVersions(
  context: LifecycleContext,
  { container, rules, marker }: PhasePage,
): Promise<readonly string[] | undefined> {
  const acting = rules.filter(
    (rule) =>
      rule.noncurrentDays !== undefined ||
      rule.expiredMarkers ||
      rule.expiration !== undefined ||
      rule.noncurrentTransitions.length > 0,
  );
  if (acting.length === 0 || versioningOf(container) === 'off') return undefined;
  const [name, position, supersededUs = '0', older = '0'] = marker;
  let run: Run | undefined =
    name === undefined
      ? undefined
      : { name, supersededUs: Number(supersededUs), older: Number(older) };
  const page = await context.objects.containers.listVersions(container, {
    limit: pageMax,
    ...(name === undefined ? {} : { nameMarker: name }),
    ...(position === undefined ? {} : { versionMarker: position }),
  });
  const versions = page.entries.flatMap((entry) => (entry.prefix === undefined ? [entry] : []));
  for (const [at, entry] of versions.entries()) {
    const next = versions[at + 1];
    const isLast = next === undefined ? !page.more : next.name !== entry.name;
    run = await visit(context, container, { entry, rules: acting, run, isLast });
  }
  const last = versions.at(-1);
  if (!page.more || last === undefined || run === undefined) return undefined;
  return [last.name, last.position, String(run.supersededUs), String(run.older)];
}

interface Visit {
  readonly entry: VersionSummary;
  readonly rules: readonly LifecycleRule[];
  readonly run: Run | undefined;
  /** No older version of the name follows. */
  readonly isLast: boolean;
}

async function visit(
  context: LifecycleContext,
  container: Container,
  { entry, rules, run, isLast }: Visit,
): Promise<Run> {
  const { name, modifiedUs, isLatest } = entry;
  const fitting = rules.filter(({ filter }) =>
    isAboutObject({ ...filter, tags: [] }, { name, size: entry.size, system: {} }),
  );
  if (isLatest) {
    if (
      entry.isDeleteMarker &&
      isLast &&
      fitting.some((rule) => endsMarker(context, rule, modifiedUs))
    )
      await remove(context, container, entry);
    return { name, supersededUs: modifiedUs, older: 0 };
  }
  const before = run?.name === name ? run : { name, supersededUs: modifiedUs, older: 0 };
  const age = { sinceMs: before.supersededUs / 1000, newer: before.older };
  const due = fitting.filter((rule) => isDue(context, rule, age));
  if (due.length > 0 && (await hasTags(context, container, { entry, rules: due })))
    await remove(context, container, entry);
  else if (!entry.isDeleteMarker)
    await transition(context, container, { entry, rules: fitting, sinceMs: age.sinceMs });
  return { name, supersededUs: modifiedUs, older: before.older + 1 };
}

function endsMarker(context: LifecycleContext, rule: LifecycleRule, modifiedUs: number): boolean {
  if (rule.filter.tags.length > 0) return false;
  if (rule.expiredMarkers) return true;
  const { expiration } = rule;
  if (expiration === undefined) return false;
  return dueMs(expiration, modifiedUs / 1000, dayMsOf(context)) <= nowMsOf(context);
}

function isDue(
  context: LifecycleContext,
  { noncurrentDays, newerNoncurrent = 0 }: LifecycleRule,
  { sinceMs, newer }: { readonly sinceMs: number; readonly newer: number },
): boolean {
  if (noncurrentDays === undefined || newer < newerNoncurrent) return false;
  return dueMs({ days: noncurrentDays }, sinceMs, dayMsOf(context)) <= nowMsOf(context);
}

interface Due {
  readonly entry: VersionSummary;
  readonly rules: readonly LifecycleRule[];
}

async function hasTags(
  context: LifecycleContext,
  container: Container,
  { entry, rules }: Due,
): Promise<boolean> {
  if (rules.some(({ filter }) => filter.tags.length === 0)) return true;
  if (entry.isDeleteMarker) return false;
  const { name, versionId } = entry;
  const info = await context.objects.objects.head({ container, name }, { versionId });
  return rules.some(({ filter }) => isAboutObject(filter, info));
}

async function remove(
  { objects, notifier }: LifecycleContext,
  container: Container,
  { name, versionId }: VersionSummary,
): Promise<void> {
  try {
    await objects.objects.delete({ container, name }, { mode: 'strict', versionId });
    notifier.tell(undefined, {
      event: 'LifecycleExpiration:Delete',
      container,
      key: name,
      versionId,
    });
  } catch (error) {
    // A lock outlives every rule.
    if (!isFailure(error, 'denied') && !isFailure(error, 'missing')) throw error;
  }
}

async function transition(
  context: LifecycleContext,
  container: Container,
  { entry, rules, sinceMs }: Due & { readonly sinceMs: number },
): Promise<void> {
  const due = rules
    .flatMap(({ noncurrentTransitions }) => noncurrentTransitions)
    .map(({ days, storageClass: to }) => ({ to, ms: dueMs({ days }, sinceMs, dayMsOf(context)) }))
    .filter(({ ms }) => ms <= nowMsOf(context))
    .sort((a, b) => b.ms - a.ms);
  const to = due[0]?.to;
  if (to === undefined || to === (entry.storageClass ?? standardClass)) return;
  const { name, versionId } = entry;
  try {
    await context.objects.objects.move(
      { container, name },
      (present) => ({ ...present, system: { ...present.system, [storageClassField]: to } }),
      { keepModified: true, versionId },
    );
  } catch (error) {
    // Changed or gone meanwhile: the next look finds it as it is then.
    if (!isFailure(error, 'missing') && !isFailure(error, 'conflict')) throw error;
  }
}
