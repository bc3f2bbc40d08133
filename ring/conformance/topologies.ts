/** Uneven clusters and what happens to them: each is a first ring and the changes that follow. */
import type { Step, StepDevice } from './swift.ts';

const partPower = 9;

function devices(count: number, of: (id: number) => Partial<StepDevice>): StepDevice[] {
  return Array.from({ length: count }, (_, id) => ({
    id,
    region: 1,
    zone: 1,
    ip: '10.0.0.1',
    port: 6200,
    device: `d${id}`,
    weight: 100,
    ...of(id),
  }));
}

function step(list: StepDevice[], options: Partial<Step> = {}): Step {
  return { part_power: partPower, replicas: 3, overload: 0, devices: list, ...options };
}

function reweigh(list: StepDevice[], weightOf: (one: StepDevice) => number): StepDevice[] {
  return list.map((one) => ({ ...one, weight: weightOf(one) }));
}

const without = (list: StepDevice[], ...ids: number[]): StepDevice[] =>
  list.filter((one) => !ids.includes(one.id));

const even = devices(40, (id) => ({ zone: id % 4, ip: `10.0.${id % 4}.${id >> 4}` }));
const uneven = devices(24, (id) => ({
  zone: id < 12 ? 1 : id < 20 ? 2 : 3,
  ip: `10.0.0.${id >> 1}`,
  weight: 100 + 37 * (id % 5),
}));
const regions = devices(20, (id) => ({
  region: id < 12 ? 1 : 2,
  zone: id % 3,
  ip: `10.${id < 12 ? 1 : 2}.${id % 3}.${id & 1}`,
  weight: 50 + id * 10,
}));
const small = devices(5, (id) => ({
  zone: id % 2,
  ip: `10.0.0.${id}`,
  weight: [100, 300, 200, 150, 50][id] ?? 0,
}));
const heavy = devices(8, (id) => ({
  zone: id >> 1,
  ip: `10.0.0.${id}`,
  weight: id === 0 ? 2000 : 100,
}));
const oneNode = devices(12, (id) => ({ weight: 10 + id }));
const tiers = devices(30, (id) => ({
  zone: id < 15 ? 1 : id < 25 ? 2 : 3,
  ip: `n${id % 5}`,
  weight: id % 7 ? 100 : 400,
}));
const mixed = devices(26, (id) => ({
  region: 1 + (id % 3 === 0 ? 1 : 0),
  zone: id % 5,
  ip: `10.1.0.${id % 4}`,
  weight: [100, 400, 250, 50, 800][id % 5] ?? 0,
}));

export const topologies: Readonly<Record<string, readonly Step[]>> = {
  'devices come and go': [step(even.slice(0, 32)), step(even.slice(0, 36)), step(without(even, 7))],
  'weights change': [
    step(even),
    step(reweigh(even, (one) => (one.id % 5 ? 100 : 160))),
    step(reweigh(even, (one) => (one.id === 3 ? 0 : 100))),
  ],
  'a zone is added': [
    step(even.filter((one) => one.zone !== 3)),
    step(even),
    step(without(even, 1, 2)),
  ],
  'uneven zones': [
    step(uneven),
    step(without(uneven, 3)),
    step(reweigh(uneven, (one) => (one.id === 5 ? 400 : one.weight))),
  ],
  'uneven zones with overload': [
    step(uneven, { overload: 0.1 }),
    step(without(uneven, 3), { overload: 0.1 }),
    step(without(uneven, 3), { overload: 0.5 }),
  ],
  'two regions': [step(regions), step(regions.slice(0, 18)), step(regions, { replicas: 4 })],
  'a region is added': [
    step(regions.filter((one) => one.region === 1)),
    step(regions),
    step(regions),
  ],
  'five devices': [step(small), step(small.slice(0, 4)), step(small)],
  'one giant': [
    step(heavy),
    step(reweigh(heavy, (one) => (one.id === 0 ? 1500 : 100))),
    step(without(heavy, 6)),
  ],
  'one node': [
    step(oneNode),
    step(without(oneNode, 2)),
    step(reweigh(oneNode, (one) => one.weight * (1 + (one.id % 2)))),
  ],
  'nodes across zones': [step(tiers), step(tiers.filter((one) => one.ip !== 'n3')), step(tiers)],
  'nodes across zones with overload': [
    step(tiers, { overload: 1 }),
    step(
      tiers.filter((one) => one.ip !== 'n3'),
      { overload: 1 },
    ),
    step(tiers, { overload: 1 }),
  ],
  'all kinds of sizes': [step(mixed), step(without(mixed, 0, 11)), step(mixed, { overload: 0.2 })],
  'twice the devices': [step(even.slice(0, 16)), step(even.slice(0, 32)), step(even.slice(0, 32))],
  'fractional replicas': [
    step(uneven, { replicas: 2.5 }),
    step(uneven, { replicas: 3.25 }),
    step(uneven, { replicas: 3 }),
  ],
};
