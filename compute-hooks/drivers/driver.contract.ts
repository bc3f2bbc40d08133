/** What every hypervisor driver promises; a driver's test hands in one that starts real guests, or real books. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GuestSpec, GuestState, Hypervisor } from './driver.ts';

export interface DriverWorld {
  readonly hypervisor: Hypervisor;
  /** A guest with a disk that can be booted; the number makes it another one. */
  spec(number: number): Promise<GuestSpec>;
  disk(number: number): Promise<GuestSpec['disks'][number]>;
  /** A driver of another host. */
  other(): Promise<Hypervisor>;
  /** Another driver over the same guests, as after a restart of the program; the first lets go of them. */
  restarted(): Promise<Hypervisor>;
  /** Ends the guest behind the driver's back. */
  kill(id: string): Promise<void>;
  close(): Promise<void>;
}

export function driverContract(name: string, open: () => Promise<DriverWorld>): void {
  describe(`${name} keeps a driver's promises`, () => {
    let world: DriverWorld;
    let driver: Hypervisor;
    const never = new AbortController().signal;

    beforeAll(async () => {
      world = await open();
      driver = world.hypervisor;
    });
    afterAll(async () => {
      for (const { id } of await driver.list()) await driver.remove(id);
      await world.close();
    });

    test('it says what the host has to give', async () => {
      const facts = await driver.facts();
      expect(facts.problem).toBeUndefined();
      expect(facts.vcpus).toBeGreaterThan(0);
      expect(facts.memoryMib).toBeGreaterThan(0);
      expect(facts.version).toBeGreaterThan(0);
    });

    test('a guest that was never started is off, and removing it is no harm', async () => {
      const { id } = await world.spec(90);
      expect(await driver.power(id)).toBe('off');
      await driver.remove(id);
      expect((await driver.list()).some((one) => one.id === id)).toBe(false);
    });

    test('starting twice is starting once; pause, resume, stop and start follow', async () => {
      const spec = await world.spec(1);
      await driver.start(spec, never);
      await driver.start(spec, never);
      expect(await driver.power(spec.id)).toBe('running');
      expect(await driver.list()).toEqual([{ id: spec.id, power: 'running' }]);
      await driver.pause(spec.id);
      expect(await driver.power(spec.id)).toBe('paused');
      await driver.resume(spec.id);
      expect(await driver.power(spec.id)).toBe('running');
      await driver.stop(spec.id, { graceMs: 0 });
      await driver.stop(spec.id, { graceMs: 0 });
      expect(await driver.power(spec.id)).toBe('off');
      await expect(driver.pause(spec.id)).rejects.toMatchObject({ code: 'guest-off' });
      await driver.start(spec, never);
      expect(await driver.power(spec.id)).toBe('running');
    });

    test('a disk is plugged in and out, each as often as one likes', async () => {
      const spec = await world.spec(1);
      const disk = await world.disk(2);
      await driver.plugDisk(spec.id, disk);
      await driver.plugDisk(spec.id, disk);
      const { disks } = await driver.diagnostics(spec.id);
      expect(disks).toHaveLength(spec.disks.length + 1);
    });

    test('what a guest has in memory is kept while it is suspended', async () => {
      const spec = await world.spec(1);
      const again = { ...spec, disks: [...spec.disks, await world.disk(2)] };
      await driver.suspend(spec.id, never);
      expect(await driver.power(spec.id)).toBe('off');
      // As a resumed operation would.
      await driver.suspend(spec.id, never);
      await driver.wake(again, never);
      expect(await driver.power(spec.id)).toBe('running');
    });

    test('a guest goes on in another driver, devices in their places, and stands still here', async () => {
      const spec = await world.spec(3);
      await driver.start(spec, never);
      await driver.plugDisk(spec.id, await world.disk(3));
      const other = await world.other();
      const disks = [await world.disk(3), ...spec.disks];
      const places = await driver.places(spec.id);
      const console = await driver.consoleLog(spec.id, 1000);
      const stream = await other.receive({ ...spec, disks, places }, { console });
      let copied = 0;
      await driver.send(spec.id, stream, {
        signal: never,
        progress: ({ doneBytes }) => {
          copied = doneBytes;
        },
      });
      await other.received(spec.id, never);
      expect(copied).toBeGreaterThan(0);
      expect([await driver.hasGone(spec.id), await other.power(spec.id)]).toEqual([true, 'paused']);
      await driver.remove(spec.id);
      await other.resume(spec.id);
      expect(await other.power(spec.id)).toBe('running');
      await other.remove(spec.id);
    });

    test('a guest whose move is broken off goes on here', async () => {
      const spec = await world.spec(4);
      await driver.start(spec, never);
      const other = await world.other();
      const stream = await other.receive(spec, { console: Buffer.alloc(0) });
      const sending = driver.send(spec.id, stream, {
        signal: AbortSignal.abort(),
        progress: () => {},
      });
      await expect(sending).rejects.toThrow();
      await other.remove(spec.id);
      expect(await driver.power(spec.id)).toBe('running');
      await driver.remove(spec.id);
    });

    test('guests outlive the program, and are found again', async () => {
      const { id } = await world.spec(1);
      driver = await world.restarted();
      expect(await driver.list()).toEqual([{ id, power: 'running' }]);
      expect((await driver.diagnostics(id)).memoryMaxMib).toBeGreaterThan(0);
    });

    test('who watches hears of a guest that ends by itself', async () => {
      const { id } = await world.spec(1);
      const heard = new Promise<GuestState>((resolve) => driver.watch(resolve));
      await world.kill(id);
      expect(await heard).toEqual({ id, power: 'off' });
      expect(await driver.power(id)).toBe('off');
    });

    test('nothing is left of a removed guest', async () => {
      const { id } = await world.spec(1);
      await driver.remove(id);
      await driver.remove(id);
      expect(await driver.list()).toEqual([]);
      await expect(driver.open(id, 'serial')).rejects.toMatchObject({ code: 'guest-off' });
    });
  });
}
