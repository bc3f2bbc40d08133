/** What the lifecycle's phases share. */
import type { Clock, Logger } from '#common';
import type { ObjectService } from '../../objects/index.ts';
import type { Notifier } from '../notify/notifier.ts';
import type { S3Settings } from '../settings.ts';

export interface LifecycleContext {
  readonly objects: ObjectService;
  readonly clock: Clock;
  readonly log: Logger;
  readonly notifier: Notifier;
  readonly settings: Pick<S3Settings, 'lifecycleDayS' | 'lifecycleRestS' | 'storageClasses'>;
}

export const pageMax = 1_000;

export function dayMsOf({ settings }: LifecycleContext): number {
  return settings.lifecycleDayS * 1000;
}

export function nowMsOf({ clock }: LifecycleContext): number {
  return clock.nowUs() / 1000;
}
