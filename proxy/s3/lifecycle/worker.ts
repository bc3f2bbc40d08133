/**
 * Carries out lifecycle rules: one page of one bucket a step, the place noted in a row after each, so that another process, or this one
 * after a restart, goes on where it was. What a step does may be done twice.
 *
 * A round: for each bucket with rules its current objects, then older versions and markers, then unfinished uploads.
 */
import { type BackgroundWork, isFailure, type StepOutcome } from '#common';
import type { Container, DutyPlace } from '../../objects/index.ts';
import { documentOf } from '../config/bucket-document.ts';
import { type LifecycleRule, lifecycleDocument } from '../config/lifecycle.ts';
import type { LifecycleContext } from './context.ts';
import { expireObjects } from './expire-objects.ts';
import { expireUploads } from './expire-uploads.ts';
import { expireVersions } from './expire-versions.ts';

export const lifecycleDuty = 'lifecycle';
const noteName = 'lifecycle';

const phases = ['objects', 'versions', 'uploads'] as const;
type Phase = (typeof phases)[number];

interface Position {
  readonly place: DutyPlace;
  readonly phase: Phase;
  /** Where the phase's listing goes on; empty at its beginning. */
  readonly marker: readonly string[];
}

export function lifecycleWork(context: LifecycleContext): BackgroundWork {
  return {
    name: 'lifecycle',
    step: async () => await step(context),
  };
}

async function step(context: LifecycleContext): Promise<StepOutcome> {
  const { duties } = context.objects;
  const at = parsePosition(await duties.recall(noteName));
  const now = at ?? (await nextPlace(context, undefined));
  if (now === undefined) return 'idle';
  const next = await advance(context, now);
  await duties.note(noteName, next === undefined ? '' : JSON.stringify(next));
  return next === undefined ? 'idle' : 'busy';
}

/** Does a page, and says what comes next; undefined at the end of the round. */
async function advance(
  context: LifecycleContext,
  { place, phase, marker }: Position,
): Promise<Position | undefined> {
  const container = await findContainer(context, place);
  const rules = container === undefined ? undefined : documentOf(lifecycleDocument, container);
  if (container === undefined || rules === undefined) {
    await context.objects.duties.drop(lifecycleDuty, place);
    return await nextPlace(context, place);
  }
  const active = rules.filter(({ enabled }) => enabled);
  const more = await runPhase(context, { container, rules: active, marker }, phase);
  if (more !== undefined) return { place, phase, marker: more };
  const following = phases[phases.indexOf(phase) + 1];
  if (following !== undefined) return { place, phase: following, marker: [] };
  return await nextPlace(context, place);
}

export interface PhasePage {
  readonly container: Container;
  readonly rules: readonly LifecycleRule[];
  readonly marker: readonly string[];
}

/** Returns where the phase goes on; undefined when it is done. */
async function runPhase(
  context: LifecycleContext,
  page: PhasePage,
  phase: Phase,
): Promise<readonly string[] | undefined> {
  if (phase === 'objects') return await expireObjects(context, page);
  if (phase === 'versions') return await expireVersions(context, page);
  return await expireUploads(context, page);
}

async function nextPlace(
  { objects }: LifecycleContext,
  after: DutyPlace | undefined,
): Promise<Position | undefined> {
  const [place] = (await objects.duties.list(lifecycleDuty, after, 1)).entries;
  return place === undefined ? undefined : { place, phase: 'objects', marker: [] };
}

async function findContainer(
  { objects }: LifecycleContext,
  { account, name }: DutyPlace,
): Promise<Container | undefined> {
  // Rules may be newer than what is remembered of the container.
  objects.containers.forget(account, name);
  try {
    return await objects.containers.open(account, name);
  } catch (error) {
    if (isFailure(error, 'missing')) return undefined;
    throw error;
  }
}

/** Notes are our own; one that cannot be read only begins the round anew. */
function parsePosition(text: string | undefined): Position | undefined {
  if (text === undefined || text === '') return undefined;
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { place, phase, marker }: { place?: unknown; phase?: unknown; marker?: unknown } = parsed;
  const known = phases.find((name) => name === phase);
  if (known === undefined || !Array.isArray(marker) || typeof place !== 'object' || place === null)
    return undefined;
  const { account, name }: { account?: unknown; name?: unknown } = place;
  if (typeof account !== 'string' || typeof name !== 'string') return undefined;
  return { place: { account, name }, phase: known, marker: marker.map(String) };
}
