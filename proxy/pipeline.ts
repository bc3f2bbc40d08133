/** What happens to a request before a dialect sees it: the order of the stages is the one line below. */
import type { Clock, Logger, Metrics } from '#common';
import type { Handler, Stage } from './exchange.ts';
import type { ProxySettings } from './settings.ts';
import { createAccessLog } from './stages/access-log.ts';
import { createAdmission } from './stages/admission.ts';
import { createHeaderBounds } from './stages/header-bounds.ts';
import { createRequestMetrics } from './stages/request-metrics.ts';

export interface PipelineOptions {
  /** `swift` or `s3`: the label of its metrics and log lines. */
  readonly dialect: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly settings: ProxySettings;
  /** How this dialect says that the request was refused before it was looked at. */
  readonly refuse: (status: number, reason: string) => ReturnType<Handler>;
}

/** Puts the stages in front of a dialect. */
export function createPipeline(options: PipelineOptions, dialect: Handler): Handler {
  const stages = [createRequestMetrics, createAccessLog, createAdmission, createHeaderBounds];
  return compose(
    stages.map((create) => create(options)),
    dialect,
  );
}

export function compose(stages: readonly Stage[], last: Handler): Handler {
  return stages.reduceRight<Handler>((next, stage) => (exchange) => stage(exchange, next), last);
}
