/** Many things in one request: an archive put as its files, or a list of names to delete. */
import type { Reply } from '../../exchange.ts';
import { bulkDelete, deleteLarge } from '../bulk-delete.ts';
import { reportFormat } from '../bulk-report.ts';
import { replyOrBlanks } from '../heartbeat.ts';
import {
  isObjectRequest,
  type SwiftHandler,
  type SwiftRequest,
  type SwiftServices,
  type SwiftStage,
} from '../swift-request.ts';

export function createBulk(services: SwiftServices): SwiftStage {
  return (request, next) => {
    const { query, exchange } = request;
    if (query.size === 0) return next(request);
    const { method } = exchange;
    if (method === 'PUT' && query.has('extract-archive')) return extract(request, next, services);
    if ((method === 'POST' || method === 'DELETE') && query.has('bulk-delete'))
      return reported(services, request, bulkDelete(request, next));
    if (method === 'DELETE' && query.get('multipart-manifest') === 'delete')
      if (isObjectRequest(request))
        return reported(services, request, deleteLarge(request, next, services));
    return next(request);
  };
}

/** Long deletions are heard of while they go on. */
function reported(services: SwiftServices, { exchange }: SwiftRequest, work: Promise<Reply>) {
  return replyOrBlanks(services, reportFormat(exchange), work);
}

/** The readers of archives are loaded when the first one comes. */
async function extract(request: SwiftRequest, next: SwiftHandler, services: SwiftServices) {
  const { extractArchive } = await import('../bulk-extract.ts');
  return await extractArchive(request, next, services);
}
