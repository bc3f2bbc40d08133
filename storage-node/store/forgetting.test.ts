/**
 * Rows written, deleted, forgotten and brought back as they were, between compactions, power losses and new indexes: the device says what its
 * memory twin says, whichever of its records are still in the log.
 */
import { expect, test } from 'vitest';
import {
  createMetrics,
  defaultsOf,
  MemoryDisk,
  type Random,
  seededRandom,
  silentLogger,
  VirtualClock,
} from '#common';
import type { RowKey, RowWrite } from '#wire';
import { MemoryIndex } from '../index/memory-index.ts';
import { createMemoryDevice } from '../memory/memory-device.ts';
import { storageNodeSettings } from '../settings.ts';
import type { DeviceStore } from './device-store.ts';
import { openDevice } from './open-device.ts';

const settings = {
  ...defaultsOf(storageNodeSettings),
  logFileBytes: 8192,
  logAheadBytes: 0,
  reserveBytes: 0,
  compactBelowFraction: 0.8,
};
const nothing = Buffer.alloc(0);
const keyOf = (at: number): RowKey => ({ table: 't', partition: 'p', sort: `row-${at}`, hash: 7 });

class Life {
  private readonly disk: MemoryDisk;
  private readonly random: Random;
  device: DeviceStore | undefined;

  constructor(random: Random, disk = new MemoryDisk()) {
    this.disk = disk;
    this.random = random;
  }

  async open(): Promise<DeviceStore> {
    await this.disk.makeDirectory('/device');
    this.device = await openDevice({
      ...{ folder: '/device', settings, disk: this.disk, random: this.random },
      ...{ clock: new VirtualClock(), log: silentLogger, metrics: createMetrics() },
      index: new MemoryIndex(),
    });
    return this.device;
  }

  /** What is synced and no more; the index is gone, so everything is read from the log. */
  powerLost(): Life {
    return new Life(this.random, this.disk.crash(this.random));
  }

  /** Of the groups that it wrote until then the last one is there, or not, or torn. */
  async powerLostInCompaction(): Promise<Life> {
    let found = this.powerLost();
    this.disk.faults.before = (operation) => {
      if (operation === 'sync' && this.random.below(2) === 0) found = this.powerLost();
    };
    await this.device?.compactNow();
    return found;
  }
}

test.each([1, 2, 3, 4, 5, 6, 7, 55])('what was forgotten stays so, seed %i', async (seed) => {
  const random = seededRandom(seed);
  const twin = createMemoryDevice();
  let life = new Life(random);
  let device = await life.open();
  let timeUs = 0;
  const writeTo = async (write: RowWrite) => {
    const said = await device.acceptRow(write);
    expect(said).toEqual(await twin.acceptRow(write));
  };
  // Rows that stay keep the first files, and in them rows that are forgotten later, from being compacted.
  for (let at = 0; at < 30; at++) {
    const version = { timeUs: ++timeUs, coordinator: 1 };
    const row = { version, deleted: false, meta: random.bytes(300), bytes: 0, body: nothing };
    await writeTo({ key: at % 3 === 0 ? keyOf(at / 3) : keyOf(100 + at), ...row });
  }
  for (let turn = 0; turn < 400; turn++) {
    const key = keyOf(random.below(10));
    const row = await twin.readRow(key, { body: true });
    const choice = random.below(20);
    if (choice < 11) {
      const deleted = choice < 4;
      const meta = deleted ? nothing : random.bytes(300);
      const version = { timeUs: ++timeUs, coordinator: 1 };
      await writeTo({ key, version, deleted, meta, bytes: 0, body: nothing });
    } else if (choice < 15 && row !== undefined) {
      const ask = { what: 'forget', rows: [{ key, version: row.version }] } as const;
      expect((await device.survey(ask)).records).toBe((await twin.survey(ask)).records);
      // What a stand-in gave back may come to it once more, in the version it had.
      const { version, deleted, meta, bytes } = row;
      if (choice < 13)
        await writeTo({ key, version, deleted, meta, bytes, body: nothing, copied: true });
    } else if (choice < 17)
      expect(await device.prepareRow(key, { timeUs: ++timeUs, coordinator: 1 })).toEqual(
        await twin.prepareRow(key, { timeUs, coordinator: 1 }),
      );
    else if (choice < 19) await device.compactNow();
    else {
      life = random.below(2) === 0 ? life.powerLost() : await life.powerLostInCompaction();
      device = await life.open();
    }
    if (turn % 20 === 0) await same(device, twin);
  }
  await same(device, twin);
});

async function same(
  device: DeviceStore,
  twin: DeviceStore | ReturnType<typeof createMemoryDevice>,
) {
  const scan = { table: 't', partition: 'p', hash: 7, limit: 100 };
  const mine = await device.scanRows(scan);
  const other = await twin.scanRows(scan);
  const named = ({ rows }: typeof mine) =>
    rows.map(({ sort, version, deleted, meta }) => ({ sort, version, deleted, meta }));
  expect(named(mine)).toEqual(named(other));
  expect(mine.aggregate).toEqual(other.aggregate);
  expect((await device.status()).rows).toBe((await twin.status()).rows);
}
