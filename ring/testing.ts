/** Random specs and rings for the tests of this room. */
import fc from 'fast-check';
import { buildRing } from './builder.ts';
import type { RingDevice } from './device.ts';
import type { Ring } from './placement.ts';
import type { RingSpec } from './spec.ts';

export const anyWeight = fc.oneof(
  fc.constantFrom(50, 100, 100, 200),
  fc.integer({ min: 1, max: 4000 }),
  fc.double({ min: 0.5, max: 20, noNaN: true }),
);

export function anyDevice(id: number): fc.Arbitrary<RingDevice> {
  return fc
    .record({
      region: fc.integer({ min: 1, max: 2 }),
      zone: fc.integer({ min: 0, max: 3 }),
      node: fc.integer({ min: 0, max: 3 }),
      weight: anyWeight,
    })
    .map(({ region, zone, node, weight }) => ({
      id,
      region,
      zone,
      ip: `10.0.0.${node}`,
      port: 6200,
      device: `d${id}`,
      weight,
      replicationIp: `10.1.0.${node}`,
      replicationPort: 6300,
      meta: '',
    }));
}

/** Between 5 and 24 devices, so that there are always more devices than replicas. */
export const anySpec: fc.Arbitrary<RingSpec> = fc
  .record({
    partPower: fc.integer({ min: 0, max: 8 }),
    replicas: fc.constantFrom(1, 2, 2.5, 3, 3.25, 4),
    overload: fc.constantFrom(0, 0.1, 1),
    seed: fc.nat(),
    count: fc.integer({ min: 5, max: 24 }),
  })
  .chain(({ count, ...rest }) =>
    fc
      .tuple(...Array.from({ length: count }, (_, id) => anyDevice(id)))
      .map((devices) => ({ ...rest, minPartHours: 0, devices })),
  );

export const anyRing: fc.Arbitrary<Ring> = anySpec.map((spec) => buildRing(spec).ring);

export function holdersOf(ring: Ring, partition: number): number[] {
  return ring.rows.flatMap((row) => {
    const id = row[partition];
    return id === undefined ? [] : [id];
  });
}

export function partitionsOf(ring: Ring): number[] {
  return Array.from({ length: ring.partitionCount }, (_, partition) => partition);
}
