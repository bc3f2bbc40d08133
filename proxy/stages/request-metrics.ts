/** Counts requests by dialect, method and status class, and how long they took to be answered. */
import { Counter, durationBuckets, Gauge, Histogram, type Metrics } from '#common';
import type { Stage } from '../exchange.ts';
import type { PipelineOptions } from '../pipeline.ts';

const methods = new Set(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'COPY', 'OPTIONS']);

interface Instruments {
  readonly requests: Counter;
  readonly seconds: Histogram;
  readonly inFlight: Gauge;
}

// Both dialects may share one registry, which takes each name once.
const declared = new WeakMap<Metrics, Instruments>();

function instrumentsOn(registry: Metrics): Instruments {
  const present = declared.get(registry);
  if (present !== undefined) return present;
  const registers = [registry];
  const instruments = {
    requests: new Counter({
      name: 'pileus_proxy_requests_total',
      help: 'Requests answered',
      labelNames: ['dialect', 'method', 'status'],
      registers,
    }),
    seconds: new Histogram({
      name: 'pileus_proxy_request_seconds',
      help: 'Time from request to the start of its answer',
      labelNames: ['dialect', 'method'],
      buckets: durationBuckets,
      registers,
    }),
    inFlight: new Gauge({
      name: 'pileus_proxy_requests_in_flight',
      help: 'Requests being handled',
      labelNames: ['dialect'],
      registers,
    }),
  };
  declared.set(registry, instruments);
  return instruments;
}

export function createRequestMetrics(options: PipelineOptions): Stage {
  const { dialect, clock } = options;
  const instruments = instrumentsOn(options.metrics);
  const inFlight = instruments.inFlight.labels(dialect);
  // Looking labels up costs more than counting, so what they lead to is kept.
  const counters = new Map<string, { inc(): void }>();
  const timers = new Map<string, { observe(value: number): void }>();
  const counterOf = (method: string, status: number) => {
    const key = `${method} ${status}`;
    let counter = counters.get(key);
    if (counter === undefined) {
      counter = instruments.requests.labels(dialect, method, String(status));
      counters.set(key, counter);
    }
    return counter;
  };
  const timerOf = (method: string) => {
    let timer = timers.get(method);
    if (timer === undefined) {
      timer = instruments.seconds.labels(dialect, method);
      timers.set(method, timer);
    }
    return timer;
  };
  return async (exchange, next) => {
    const method = methods.has(exchange.method) ? exchange.method : 'other';
    inFlight.inc();
    try {
      const reply = await next(exchange);
      counterOf(method, reply.status).inc();
      timerOf(method).observe((clock.monotonicMs() - exchange.startedMs) / 1000);
      return reply;
    } finally {
      inFlight.dec();
    }
  };
}
