/** Metrics in the Prometheus text format; each room declares its own on the registry it is handed. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export { Counter, Gauge, Histogram };
export type Metrics = Registry;

/** A fresh registry; with `process: true` also the process's own CPU, memory and event-loop figures. */
export function createMetrics(
  options: { readonly process: boolean } = { process: false },
): Metrics {
  const registry = new Registry();
  if (options.process) collectDefaultMetrics({ register: registry });
  return registry;
}

/** Seconds from 100 µs to 30 s: one set of buckets for every request duration, so that they can be added up. */
export const durationBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  30,
];
