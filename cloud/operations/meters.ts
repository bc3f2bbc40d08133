/** Operations as figures: how many are on their way, how steps end and how long they take. */
import { Counter, durationBuckets, Gauge, Histogram, type Metrics } from '#common';
import type { OperationStore } from './store.ts';

export function operationMeters(metrics: Metrics, store: OperationStore) {
  new Gauge({
    name: 'pileus_operations_active',
    help: 'Operations that have not ended, by state.',
    labelNames: ['state'],
    registers: [metrics],
    async collect() {
      this.reset();
      for (const state of ['waiting', 'running', 'undoing']) this.set({ state }, 0);
      for (const { state, count } of await store.countByState()) this.set({ state }, Number(count));
    },
  });
  const steps = new Counter({
    name: 'pileus_operation_steps_total',
    help: 'Steps of operations by outcome.',
    labelNames: ['workflow', 'step', 'outcome'],
    registers: [metrics],
  });
  const seconds = new Histogram({
    name: 'pileus_operation_step_seconds',
    help: 'Duration of steps of operations.',
    labelNames: ['workflow', 'step'],
    buckets: durationBuckets,
    registers: [metrics],
  });
  return {
    stepEnded(workflow: string, step: string, duration: number, worked: boolean): void {
      steps.inc({ workflow, step, outcome: worked ? 'worked' : 'failed' });
      seconds.observe({ workflow, step }, duration);
    },
  };
}
