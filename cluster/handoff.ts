/** Stand-ins for primaries that fail: the ring's handoffs in order, each asked once, those put aside left out. */
import { Failure } from '#common';
import type { Core } from './core.ts';
import type { Replica } from './replica.ts';

export function handoffSpare(
  core: Core,
  hash: number,
  what: 'row' | 'blob',
): () => Replica | undefined {
  let handoffs: Iterator<Replica, void, undefined> | undefined;
  return () => {
    handoffs ??= core.handoffsOf(hash);
    for (let step = handoffs.next(); step.done !== true; step = handoffs.next()) {
      if (step.value.aside) continue;
      core.counters.handoffs.inc({ what });
      return step.value;
    }
    return undefined;
  };
}

/** Why a device with a stand-in ready was not even asked. */
export function putAside(device: number): Failure {
  const facts = { device };
  return new Failure('unreachable', 'device-aside', 'This device is put aside', { facts });
}
