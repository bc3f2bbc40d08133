/** Refuses requests with more header lines than anybody needs; their size is bounded by the HTTP parser. */
import type { Stage } from '../exchange.ts';
import type { PipelineOptions } from '../pipeline.ts';

export function createHeaderBounds(options: PipelineOptions): Stage {
  const { headerCountMax } = options.settings;
  return (exchange, next) => {
    if (exchange.rawHeaders.length / 2 > headerCountMax)
      return options.refuse(400, 'too many headers');
    return next(exchange);
  };
}
