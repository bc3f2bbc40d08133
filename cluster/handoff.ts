/**
 * Stand-ins for primaries that fail: the ring's handoffs in order, each asked once, those put aside left out.
 *
 * A row has none for a primary that is `busy` (full, read-only): such a one goes on answering readers, and would outvote the
 * stand-in, so that an acknowledged row was not to be seen. Blobs are looked for on stand-ins as well.
 */
import { Failure, isFailure } from '#common';
import type { Core } from './core.ts';
import type { Replica } from './replica.ts';

export function handoffSpare(
  core: Core,
  hash: number,
  what: 'row' | 'blob',
): (error?: unknown) => Replica | undefined {
  return spareOf(core, what, () => core.handoffsOf(hash));
}

export function spareOf(
  core: Core,
  what: 'row' | 'blob',
  standIns: () => Iterator<Replica, void, undefined>,
): (error?: unknown) => Replica | undefined {
  let handoffs: Iterator<Replica, void, undefined> | undefined;
  return (error) => {
    if (what === 'row' && isFailure(error, 'busy')) return undefined;
    handoffs ??= standIns();
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
