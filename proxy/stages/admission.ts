/** Serves a bounded number of requests at once; further ones are told to come back. */
import type { Stage } from '../exchange.ts';
import type { PipelineOptions } from '../pipeline.ts';

export function createAdmission(options: PipelineOptions): Stage {
  const { requestsInFlightMax } = options.settings;
  let inFlight = 0;
  return async (exchange, next) => {
    if (inFlight >= requestsInFlightMax) return await options.refuse(503, 'busy');
    inFlight += 1;
    try {
      return await next(exchange);
    } finally {
      inFlight -= 1;
    }
  };
}
