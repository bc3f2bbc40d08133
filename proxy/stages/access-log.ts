/** One line per request: failures and slow ones at info, all of them at debug. */
import { isFailure, messageOf } from '#common';
import type { Exchange, Stage } from '../exchange.ts';
import type { PipelineOptions } from '../pipeline.ts';

export function createAccessLog(options: PipelineOptions): Stage {
  const { clock, settings } = options;
  const log = options.log.child({ dialect: options.dialect });
  const record = (exchange: Exchange, status: number): void => {
    const tookMs = clock.monotonicMs() - exchange.startedMs;
    const level = status >= 500 || tookMs >= settings.slowRequestMs ? 'info' : 'debug';
    if (!log.isLevelEnabled(level)) return;
    log[level](
      {
        method: exchange.method,
        // The query may hold a signature.
        path: exchange.url.split('?', 1)[0],
        status,
        tookMs: Math.round(tookMs * 1000) / 1000,
        transaction: exchange.transactionId,
        ...(exchange.account === undefined ? {} : { account: exchange.account }),
        ...(exchange.failure === undefined ? {} : { reason: reasonOf(exchange.failure) }),
      },
      'request',
    );
  };
  return async (exchange, next) => {
    const reply = await next(exchange);
    record(exchange, reply.status);
    return reply;
  };
}

function reasonOf(failure: unknown): string {
  return isFailure(failure) ? `${failure.code}: ${failure.message}` : messageOf(failure);
}
