/** A hypervisor as calls, for a controller in another process. */
import { pipeline } from 'node:stream/promises';
import { Type } from 'typebox';
import type { CallHandler } from '#wire';
import type { Hypervisor } from '../drivers/driver.ts';
import { DiskShape, diskFrom, One, PortShape, read, specOf } from './shapes.ts';

const Stop = Type.Object({ id: Type.String(), graceMs: Type.Number({ minimum: 0 }) });
const Plug = Type.Object({ id: Type.String(), disk: DiskShape });
const PlugPort = Type.Object({ id: Type.String(), port: PortShape });
const Part = Type.Object({ id: Type.String(), part: Type.String() });
const Resize = Type.Object({ id: Type.String(), part: Type.String(), sizeBytes: Type.Number() });
const Log = Type.Object({ id: Type.String(), bytesMax: Type.Number({ minimum: 0 }) });
const Open = Type.Object({
  id: Type.String(),
  what: Type.Union([Type.Literal('screen'), Type.Literal('serial')]),
});
const Receive = Type.Object({ spec: Type.Unknown(), console: Type.String() });

export function hypervisorCalls(driver: Hypervisor): Readonly<Record<string, CallHandler>> {
  const one =
    (work: (id: string, signal: AbortSignal) => Promise<unknown>): CallHandler =>
    (args, { signal }) =>
      work(read(One, args).id, signal);
  return {
    facts: () => driver.facts(),
    list: () => driver.list(),
    power: one((id) => driver.power(id)),
    start: (args, { signal }) => driver.start(specOf(args), signal),
    wake: (args, { signal }) => driver.wake(specOf(args), signal),
    stop: (args) => {
      const { id, graceMs } = read(Stop, args);
      return driver.stop(id, { graceMs });
    },
    'ask-reboot': one((id) => driver.askReboot(id)),
    pause: one((id) => driver.pause(id)),
    resume: one((id) => driver.resume(id)),
    suspend: one((id, signal) => driver.suspend(id, signal)),
    places: one((id) => driver.places(id)),
    received: one((id, signal) => driver.received(id, signal)),
    'has-gone': one((id) => driver.hasGone(id)),
    remove: one((id) => driver.remove(id)),
    'plug-disk': (args) => {
      const { id, disk } = read(Plug, args);
      return driver.plugDisk(id, diskFrom(disk));
    },
    'unplug-disk': (args, { signal }) => {
      const { id, part } = read(Part, args);
      return driver.unplugDisk(id, part, signal);
    },
    'resize-disk': (args) => {
      const { id, part, sizeBytes } = read(Resize, args);
      return driver.resizeDisk(id, part, sizeBytes);
    },
    'plug-port': (args) => {
      const { id, port } = read(PlugPort, args);
      return driver.plugPort(id, port);
    },
    'unplug-port': (args, { signal }) => {
      const { id, part } = read(Part, args);
      return driver.unplugPort(id, part, signal);
    },
    'console-log': async (args) => {
      const { id, bytesMax } = read(Log, args);
      return (await driver.consoleLog(id, bytesMax)).toString('base64');
    },
    diagnostics: one((id) => driver.diagnostics(id)),
    interrupt: one((id) => driver.interrupt(id)),
    ...streams(driver),
  };
}

function streams(driver: Hypervisor): Readonly<Record<string, CallHandler>> {
  return {
    receive: async (args, { body, accept }) => {
      const { spec, console } = read(Receive, args);
      const inner = await driver.receive(specOf(spec), { console: Buffer.from(console, 'base64') });
      accept(null);
      // The guest's end is heard as well, or the stream would never be over.
      inner.resume();
      await pipeline(body, inner);
    },
    send: (args, { signal, body, tell }) =>
      driver.send(read(One, args).id, body, { signal, progress: tell }),
    open: async (args, { body, accept, signal }) => {
      const { id, what } = read(Open, args);
      const inner = await driver.open(id, what);
      accept(null);
      signal.addEventListener('abort', () => inner.destroy());
      await Promise.race([pipeline(body, inner), pipeline(inner, body)]);
      inner.destroy();
    },
    /** Ends of guests, until the asker lets go. */
    watch: (_args, { tell, signal }) =>
      new Promise((resolve) => {
        const stop = driver.watch(tell);
        signal.addEventListener('abort', () => {
          stop();
          resolve(undefined);
        });
        if (!signal.aborted) return;
        stop();
        resolve(undefined);
      }),
  };
}
