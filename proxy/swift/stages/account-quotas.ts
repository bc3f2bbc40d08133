/** Holds accounts to their quotas, which only resellers may set. */
import { authorize, isReseller } from '../access.ts';
import { fits, quotaHeaders, quotasOf } from '../account-quotas.ts';
import { openContainer } from '../containers.ts';
import { htmlType, page, refusal } from '../refusal.ts';
import {
  isObjectRequest,
  type ObjectRequest,
  type SwiftServices,
  type SwiftStage,
} from '../swift-request.ts';

export function createAccountQuotas(services: SwiftServices): SwiftStage {
  const checked: SwiftStage = async (request, next) => {
    const { exchange, path, caller } = request;
    const { method } = exchange;
    if (path.container === undefined) {
      const given = quotaHeaders(exchange);
      if (given.length > 0 && !isReseller(caller)) return page(403);
      if (given.some(({ value }) => value !== '' && !/^\d+$/.test(value))) return page(400);
    } else if (method === 'PUT' && isObjectRequest(request) && !isReseller(caller))
      await checkQuotas(request, services);
    return await next(request);
  };
  return (request, next) => {
    const { method } = request.exchange;
    return method === 'PUT' || method === 'POST' ? checked(request, next) : next(request);
  };
}

async function checkQuotas(request: ObjectRequest, services: SwiftServices): Promise<void> {
  const { exchange, path, caller } = request;
  const { accounts } = services.objects;
  const quotas = quotasOf(await accounts.peek(path.account));
  if (quotas.length === 0) return;
  const container = await openContainer(request, services, path.account, path.container);
  const usage = await accounts.usage(path.account);
  const object = { bytes: exchange.body.length ?? 0, policy: container.policy };
  if (quotas.every((quota) => fits(quota, usage, object))) return;
  // Whoever may not write at all is told that, not that there is a quota.
  authorize(caller, path.account, container, 'write');
  throw refusal('too-large', 'Upload exceeds quota.', { 'Content-Type': htmlType });
}
