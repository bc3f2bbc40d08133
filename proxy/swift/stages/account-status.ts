/** Deleted accounts: until the reaper is through with one, nothing in it is to be found any more. */
import { deletedField } from '../accounts.ts';
import { page } from '../refusal.ts';
import type { SwiftServices, SwiftStage } from '../swift-request.ts';

export function createAccountStatus(services: SwiftServices): SwiftStage | undefined {
  if (!services.swift.accountManagement) return undefined;
  return async (request, next) => {
    const { account, container } = request.path;
    if (container === undefined) return await next(request);
    const { system } = await services.objects.accounts.peek(account);
    return system[deletedField] === undefined ? await next(request) : page(404);
  };
}
