/** Many things in one request: an archive put as its files, or a list of names to delete. */
import { bulkDelete, deleteLarge } from '../bulk-delete.ts';
import { extractArchive } from '../bulk-extract.ts';
import { isObjectRequest, type SwiftServices, type SwiftStage } from '../swift-request.ts';

export function createBulk(services: SwiftServices): SwiftStage {
  return (request, next) => {
    const { query, exchange, path } = request;
    if (query.size === 0) return next(request);
    const { method } = exchange;
    if (method === 'PUT' && query.has('extract-archive'))
      return extractArchive(request, next, services);
    if ((method === 'POST' || method === 'DELETE') && query.has('bulk-delete'))
      return path.object === undefined ? bulkDelete(request, next) : next(request);
    if (method === 'DELETE' && query.get('multipart-manifest') === 'delete')
      if (isObjectRequest(request)) return deleteLarge(request, next, services);
    return next(request);
  };
}
