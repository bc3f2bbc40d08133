/** What every role is handed. */
import type { Logger, Metrics, Random } from '#common';
import type { Settings } from '../settings.ts';

export interface RoleContext {
  readonly clusterId: string;
  /** This process's name, the same at every start. */
  readonly name: string;
  readonly settings: Settings;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}
