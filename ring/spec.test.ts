import { describe, expect, test } from 'vitest';
import { isFailure } from '#common';
import { buildRing, parseRingSpec, summarizeRing } from './index.ts';

const device = { id: 3, region: 2, zone: 1, ip: '10.0.0.1', port: 6200, device: 'sda', weight: 10 };
const spec = { part_power: 2, replicas: 1, overload: 0.1, devices: [device] };

test('a spec is read with its defaults filled in', () => {
  expect(parseRingSpec({ part_power: 2, replicas: 1, devices: [device] })).toEqual({
    partPower: 2,
    replicas: 1,
    overload: 0,
    minPartHours: 0,
    seed: 0,
    devices: [{ ...device, replicationIp: '10.0.0.1', replicationPort: 6200, meta: '' }],
  });
});

test('devices are put in the order of their ids', () => {
  const read = parseRingSpec({ ...spec, devices: [device, { ...device, id: 1 }] });
  expect(read.devices.map((one) => one.id)).toEqual([1, 3]);
});

describe('what is refused, and the sentence that says so', () => {
  test.each<[unknown, string]>([
    [7, 'must be an object field=spec'],
    [{ ...spec, partpower: 3 }, 'unknown name: partpower'],
    [{ ...spec, part_power: 25 }, 'field=spec.part_power'],
    [{ ...spec, part_power: 2.5 }, 'must be a whole number field=spec.part_power'],
    [{ ...spec, part_power: 24, replicas: 60 }, 'too many partitions'],
    [{ ...spec, replicas: 0 }, 'at least one replica'],
    [{ ...spec, replicas: 0.5 }, 'at least one replica'],
    [{ ...spec, replicas: '3' }, 'field=spec.replicas'],
    [{ ...spec, overload: -1 }, 'field=spec.overload'],
    [{ ...spec, min_part_hours: 256 }, 'field=spec.min_part_hours'],
    [{ ...spec, devices: undefined }, 'devices must be a list'],
    [{ ...spec, devices: [device, device] }, 'the same id id=3'],
    [{ ...spec, devices: [null] }, 'field=devices[0]'],
    [{ ...spec, devices: [{ ...device, id: 65535 }] }, 'field=devices[0].id'],
    [{ ...spec, devices: [{ ...device, port: 70000 }] }, 'field=devices[0].port'],
    [{ ...spec, devices: [{ ...device, weight: Number.NaN }] }, 'field=devices[0].weight'],
    [{ ...spec, devices: [{ ...device, ip: '' }] }, 'field=devices[0].ip'],
    [{ ...spec, devices: [{ ...device, meta: 'x'.repeat(5000) }] }, 'field=devices[0].meta'],
  ])('%o', (document, sentence) => {
    let caught: unknown;
    try {
      parseRingSpec(document);
    } catch (error) {
      caught = error;
    }
    expect(isFailure(caught, 'invalid')).toBe(true);
    expect(String(caught)).toContain(sentence);
  });
});

test('a summary tells what a ring is and how good', () => {
  const two = { ...spec, devices: [device, { ...device, id: 0, zone: 2, weight: 30 }] };
  const { ring } = buildRing(parseRingSpec(two));
  const summary = summarizeRing(ring);
  expect(summary).toMatchObject({
    part_power: 2,
    partitions: 4,
    replicas: 1,
    version: 1,
    next_part_power: null,
    regions: 1,
    zones: 2,
    nodes: 2,
    balance: 0,
    dispersion: 0,
  });
  expect(summary.devices.map(({ id, parts, balance }) => ({ id, parts, balance }))).toEqual([
    { id: 0, parts: 3, balance: 0 },
    { id: 3, parts: 1, balance: 0 },
  ]);
});
