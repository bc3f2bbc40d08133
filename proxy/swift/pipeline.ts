/** Swift's middlewares: which there are, and those that the settings name, one behind the other. */
import { Failure } from '#common';
import type { SwiftSettings } from './settings.ts';
import { createAccountQuotas } from './stages/account-quotas.ts';
import { createAccountStatus } from './stages/account-status.ts';
import { createBulk } from './stages/bulk.ts';
import { createContainerQuotas } from './stages/container-quotas.ts';
import { createContainerSync } from './stages/container-sync.ts';
import { createCopy } from './stages/copy.ts';
import { createCors } from './stages/cors.ts';
import { createEtagQuoter } from './stages/etag-quoter.ts';
import { createExpirer } from './stages/expirer.ts';
import { createFormPost } from './stages/form-post.ts';
import { createNameCheck } from './stages/name-check.ts';
import { createRateLimit } from './stages/rate-limit.ts';
import { createReadOnly } from './stages/read-only.ts';
import type { CreateStage } from './stages/stage.ts';
import { createStaticWeb } from './stages/static-web.ts';
import { createTempUrl } from './stages/temp-url.ts';
import { createVersionedWrites } from './stages/versioned-writes.ts';
import type { SwiftHandler, SwiftServices } from './swift-request.ts';

const stages: Readonly<Record<string, CreateStage>> = {
  'account-status': createAccountStatus,
  'name-check': createNameCheck,
  'etag-quoter': createEtagQuoter,
  'container-sync': createContainerSync,
  cors: createCors,
  ratelimit: createRateLimit,
  tempurl: createTempUrl,
  formpost: createFormPost,
  'read-only': createReadOnly,
  staticweb: createStaticWeb,
  bulk: createBulk,
  copy: createCopy,
  'container-quotas': createContainerQuotas,
  'account-quotas': createAccountQuotas,
  'versioned-writes': createVersionedWrites,
  expirer: createExpirer,
};

/** Stages that see a request before it is known what it addresses, and pages of their own (`host-names.ts`, `service-endpoints.ts`). */
const earlyStages: ReadonlySet<string> = new Set([
  'cname-lookup',
  'domain-remap',
  'crossdomain',
  'recon',
]);

/** The names of a pipeline; fails on one that there is no stage for. */
export function stageNames({ pipeline }: Pick<SwiftSettings, 'pipeline'>): readonly string[] {
  const names = pipeline.split(/\s+/).filter((name) => name !== '');
  const unknown = names.filter((name) => !Object.hasOwn(stages, name) && !earlyStages.has(name));
  if (unknown.length === 0) return names;
  const known = [...earlyStages, ...Object.keys(stages)].join(' ');
  throw new Failure(
    'invalid',
    'bad-settings',
    `swift.pipeline: there is no stage ${unknown.join(', ')}; there are: ${known}`,
  );
}

/** The stages in front of `last`, in the order of the settings. */
export function composeStages(services: SwiftServices, last: SwiftHandler): SwiftHandler {
  const names = stageNames(services.swift);
  return names.reduceRight<SwiftHandler>((next, name) => {
    const stage = Object.hasOwn(stages, name) ? stages[name]?.(services) : undefined;
    return stage === undefined ? next : (request) => stage(request, next);
  }, last);
}
