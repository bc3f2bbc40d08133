/** Notes objects that are written with a time at which they go, for the worker that deletes them (`expirer.ts`). */
import { authorize } from '../access.ts';
import { openContainer } from '../containers.ts';
import { noteExpiry } from '../expirer.ts';
import { readDeleteAt } from '../object-fields.ts';
import {
  isObjectRequest,
  type ObjectRequest,
  type SwiftHandler,
  type SwiftServices,
  type SwiftStage,
} from '../swift-request.ts';

export function createExpirer(services: SwiftServices): SwiftStage {
  const note = async (request: ObjectRequest, next: SwiftHandler) => {
    const { path, caller, exchange } = request;
    const deleteAtS = readDeleteAt(exchange, services.clock.nowUs());
    if (deleteAtS === undefined) return await next(request);
    // Whoever may not write leaves no note either.
    const container = await openContainer(request, services, path.account, path.container);
    authorize(caller, path.account, container, 'write');
    await noteExpiry(services, path, deleteAtS);
    return await next(request);
  };
  return (request, next) => {
    const { method, headers } = request.exchange;
    if (method !== 'PUT' && method !== 'POST') return next(request);
    if (headers['x-delete-at'] === undefined && headers['x-delete-after'] === undefined)
      return next(request);
    return isObjectRequest(request) ? note(request, next) : next(request);
  };
}
