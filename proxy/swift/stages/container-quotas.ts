/** Quotas of containers: `X-Container-Meta-Quota-Bytes` and `-Count`. */

import type { Container } from '../../objects/index.ts';
import { authorize } from '../access.ts';
import { openContainer } from '../containers.ts';
import { htmlType, refusal } from '../refusal.ts';
import {
  headerOf,
  isContainerRequest,
  isObjectRequest,
  type ObjectRequest,
  type SwiftRequest,
  type SwiftServices,
  type SwiftStage,
} from '../swift-request.ts';

const digits = /^\d+$/;
const html = { 'Content-Type': htmlType };

export function createContainerQuotas(services: SwiftServices): SwiftStage {
  const checked: SwiftStage = async (request, next) => {
    const { method } = request.exchange;
    if (isObjectRequest(request)) {
      if (method === 'PUT') await checkQuota(request, services);
    } else if (isContainerRequest(request) && (method === 'PUT' || method === 'POST'))
      checkHeaders(request);
    return await next(request);
  };
  return (request, next) => {
    const { method } = request.exchange;
    return method === 'PUT' || method === 'POST' ? checked(request, next) : next(request);
  };
}

function checkHeaders({ exchange }: SwiftRequest): void {
  for (const kind of ['bytes', 'count']) {
    const value = headerOf(exchange, `x-container-meta-quota-${kind}`);
    if (value && !digits.test(value)) throw refusal('bad-request', `Invalid ${kind} quota.`, html);
  }
}

async function checkQuota(request: ObjectRequest, services: SwiftServices): Promise<void> {
  const { path, exchange, caller } = request;
  const container = await openContainer(request, services, path.account, path.container);
  const bytes = container.metadata['quota-bytes'];
  const count = container.metadata['quota-count'];
  if (bytes === undefined && count === undefined) return;
  const usage = await services.objects.containers.usage(container);
  const used: readonly (readonly [string | undefined, number])[] = [
    [bytes, usage.bytes + (usage.versionBytes ?? 0) + (exchange.body.length ?? 0)],
    [count, usage.objects + 1],
  ];
  for (const [limit, after] of used)
    if (limit !== undefined && digits.test(limit) && after > Number(limit))
      refuse(caller, path.account, container);
}

/** Whoever may not write at all is told that, not that there is a quota. */
function refuse(caller: SwiftRequest['caller'], account: string, container: Container): never {
  authorize(caller, account, container, 'write');
  throw refusal('too-large', 'Upload exceeds quota.', html);
}
