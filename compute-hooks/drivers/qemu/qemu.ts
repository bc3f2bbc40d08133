/**
 * Guests as QEMU processes, each in a folder and a session of its own, spoken with over QMP.
 *
 *  1. Starting writes what the guest is started from into its folder, runs QEMU, and connects to its monitor.
 *  2. The process belongs to nobody: this program may end and start again, finds the folders, connects to the monitors and goes on.
 *  3. A monitor that ends means that the guest has ended. Whoever watches is told; the folder stays until the guest is removed.
 */
import { execFile, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { promisify } from 'node:util';
import { type Clock, Failure, isFailure, type Logger, messageOf, type Net } from '#common';
import type {
  Diagnostics,
  GuestDisk,
  GuestPort,
  GuestPower,
  GuestSpec,
  GuestState,
  HostFacts,
  Hypervisor,
  Places,
  Sending,
} from '../driver.ts';
import {
  type Accelerator,
  blockDevice,
  diskDevice,
  diskName,
  files,
  netDevice,
  netOf,
  nodeOf,
  portDevice,
  portName,
  qemuArguments,
  slotNames,
  withSlots,
} from './arguments.ts';
import { readConsole, trimConsole } from './console-log.ts';
import { hasDevice, isStill, missingIsFine, placesOf, whileRunning } from './devices.ts';
import { diagnose } from './diagnostics.ts';
import {
  awaitMemory,
  migrationOf,
  saveMemory,
  sendMemory,
  serveMemory,
  untilMigrated,
} from './memory-stream.ts';
import { Monitor } from './monitor.ts';
import { findAccelerator } from './probe.ts';
import { endProcess, isRunning, programVersion } from './processes.ts';

export interface QemuOptions {
  /** Holds a folder for each guest. */
  readonly folder: string;
  readonly program?: string;
  readonly accelerator: 'auto' | Accelerator;
  readonly consoleBytesMax: number;
  readonly net: Net;
  readonly clock: Clock;
  readonly log: Logger;
}

const execFileAsync = promisify(execFile);

const startMs = 20_000;
const pollMs = 10;
const unplugMs = 15_000;
const trimEveryMs = 30_000;
export const qemuProgram = 'qemu-system-x86_64';
/** Of a unix socket's path. */
const pathBytesMax = 107;

export class Qemu implements Hypervisor {
  private readonly options: QemuOptions;
  private readonly program: string;
  private readonly monitors = new Map<string, Monitor>();
  private readonly connecting = new Map<string, Promise<Monitor | undefined>>();
  private readonly listeners = new Set<(state: GuestState) => void>();
  private accelerator: Promise<Accelerator> | undefined;
  private version: Promise<number> | undefined;
  private readonly trimming: { cancel(): void };
  private closed = false;

  constructor(options: QemuOptions) {
    this.options = options;
    this.program = options.program ?? qemuProgram;
    fs.mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    this.trimming = this.trimLater();
  }

  private path(id: string, ...rest: string[]): string {
    if (!/^[0-9a-f-]{36}$/.test(id))
      throw new Failure('invalid', 'bad-guest-id', 'Guests are named by their UUID', {
        facts: { id },
      });
    return join(this.options.folder, id, ...rest);
  }

  async facts(): Promise<HostFacts> {
    const version = await this.versionOf();
    const [cpu] = cpus();
    const model = cpu?.model ?? 'unknown';
    const problem =
      version === 0
        ? 'QEMU is not installed; as root run: apt-get install -y --no-install-recommends qemu-system-x86'
        : undefined;
    return {
      type: 'QEMU',
      version,
      vcpus: availableParallelism(),
      memoryMib: Math.floor(totalmem() / 2 ** 20),
      cpu: {
        arch: 'x86_64',
        vendor: /AMD/i.test(model) ? 'AMD' : 'Intel',
        model,
        accelerator: version === 0 ? 'none' : await this.acceleratorOf(),
      },
      ...(problem === undefined ? {} : { problem }),
    };
  }

  /** 0 when there is no QEMU. */
  private async versionOf(): Promise<number> {
    this.version ??= programVersion(this.program);
    const version = await this.version;
    // It may be installed while this runs.
    if (version === 0) this.version = undefined;
    return version;
  }

  private acceleratorOf(): Promise<Accelerator> {
    const { accelerator, folder, clock } = this.options;
    if (accelerator !== 'auto') return Promise.resolve(accelerator);
    this.accelerator ??= findAccelerator(this.program, folder, clock);
    return this.accelerator;
  }

  async list(): Promise<GuestState[]> {
    const ids = fs.readdirSync(this.options.folder).filter((name) => /^[0-9a-f-]{36}$/.test(name));
    return Promise.all(ids.map(async (id) => ({ id, power: await this.power(id) })));
  }

  async power(id: string): Promise<GuestPower> {
    const monitor = await this.find(id);
    if (monitor === undefined) return 'off';
    const { status } = (await monitor.run('query-status')) as { status: string };
    return status === 'running' ? 'running' : 'paused';
  }

  async start(spec: GuestSpec, signal: AbortSignal): Promise<void> {
    if ((await this.power(spec.id)) === 'off') await this.launch(spec, signal);
    else await this.resume(spec.id);
  }

  private async launch(spec: GuestSpec, signal: AbortSignal, more: readonly string[] = []) {
    const { problem } = await this.facts();
    if (problem !== undefined) throw new Failure('unreachable', 'no-hypervisor', problem);
    const folder = this.path(spec.id);
    if (Buffer.byteLength(join(folder, files.serial)) > pathBytesMax)
      throw new Failure(
        'invalid',
        'path-too-long',
        'The data folder’s path is too long for sockets',
      );
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    // The process that a killed program started and never connected to: two must not have the same disks.
    await this.endLeftover(spec.id);
    for (const name of [files.monitor, files.screen, files.serial])
      fs.rmSync(join(folder, name), { force: true });
    if (spec.configDrive !== undefined)
      fs.writeFileSync(join(folder, files.configDrive), spec.configDrive, { mode: 0o600 });
    const args = withSlots(qemuArguments(spec, await this.acceleratorOf()), spec.places);
    const said = fs.openSync(join(folder, files.said), 'w', 0o600);
    const command = [...(spec.ports[0]?.enter ?? []), this.program, ...args, ...more];
    const [program = this.program, ...rest] = command;
    const child = spawn(program, rest, {
      cwd: folder,
      detached: true,
      stdio: ['ignore', said, said],
    });
    fs.closeSync(said);
    let over = false;
    child.once('error', () => {
      over = true;
    });
    child.once('exit', () => {
      over = true;
    });
    if (child.pid !== undefined) fs.writeFileSync(join(folder, files.pid), String(child.pid));
    child.unref();
    try {
      await this.reach(spec.id, () => over, signal);
    } catch (error) {
      if (child.pid !== undefined) await endProcess(child.pid, this.options.clock);
      throw error;
    }
  }

  private async endLeftover(id: string): Promise<void> {
    const pid = this.pidOf(id);
    if (pid !== undefined && isRunning(pid, id)) await endProcess(pid, this.options.clock);
  }

  private pidOf(id: string): number | undefined {
    const path = this.path(id, files.pid);
    if (!fs.existsSync(path)) return undefined;
    const pid = Number(fs.readFileSync(path, 'utf8'));
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
  }

  /** Waits for the monitor of a process that is starting. */
  private async reach(id: string, isOver: () => boolean, signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    const untilMs = clock.monotonicMs() + startMs;
    while (clock.monotonicMs() < untilMs && !signal.aborted) {
      if (isOver()) {
        throw new Failure('conflict', 'guest-failed', `QEMU ended: ${this.lastWords(id)}`);
      }
      if ((await this.find(id)) !== undefined) return;
      await clock.sleep(pollMs);
    }
    throw new Failure('unreachable', 'guest-silent', 'QEMU did not start in time');
  }

  /** The guest's monitor, connected to when it was not; undefined when there is none. */
  private async find(id: string): Promise<Monitor | undefined> {
    const known = this.monitors.get(id);
    if (known !== undefined && !known.isOver) return known;
    const pending = this.connecting.get(id) ?? this.connect(id);
    this.connecting.set(id, pending);
    try {
      return await pending;
    } finally {
      this.connecting.delete(id);
    }
  }

  private async connect(id: string): Promise<Monitor | undefined> {
    const path = this.path(id, files.monitor);
    if (!fs.existsSync(path)) return undefined;
    try {
      const monitor = await Monitor.connect(path, this.options);
      this.monitors.set(id, monitor);
      void monitor.ended.then(() => this.lost(id, monitor));
      return monitor;
    } catch (error) {
      if (isFailure(error, 'closed')) return undefined;
      throw error;
    }
  }

  private lost(id: string, monitor: Monitor): void {
    if (this.closed || this.monitors.get(id) !== monitor) return;
    this.monitors.delete(id);
    for (const listener of this.listeners) listener({ id, power: 'off' });
  }

  private async get(id: string): Promise<Monitor> {
    const monitor = await this.find(id);
    if (monitor !== undefined) return monitor;
    throw new Failure('conflict', 'guest-off', 'The guest is off', { facts: { id } });
  }

  async stop(id: string, { graceMs }: { readonly graceMs: number }): Promise<void> {
    const monitor = await this.find(id);
    if (monitor !== undefined && graceMs > 0) {
      // One that stands still cannot shut down.
      await this.resume(id);
      await whileRunning(() => monitor.run('system_powerdown'));
      await Promise.race([monitor.ended, this.options.clock.sleep(graceMs)]);
    }
    await this.end(id);
  }

  private async end(id: string): Promise<void> {
    const monitor = this.monitors.get(id);
    this.monitors.delete(id);
    const pid = this.pidOf(id);
    if (pid !== undefined && isRunning(pid, id)) await endProcess(pid, this.options.clock);
    monitor?.close();
    fs.rmSync(this.path(id, files.pid), { force: true });
    fs.rmSync(this.path(id, files.monitor), { force: true });
  }

  async askReboot(id: string): Promise<void> {
    const monitor = await this.get(id);
    await this.resume(id);
    await monitor.run('send-key', {
      keys: ['ctrl', 'alt', 'delete'].map((data) => ({ type: 'qcode', data })),
    });
  }

  async pause(id: string): Promise<void> {
    await (await this.get(id)).run('stop');
  }

  async resume(id: string): Promise<void> {
    await (await this.get(id)).run('cont');
  }

  async suspend(id: string, signal: AbortSignal): Promise<void> {
    const monitor = await this.find(id);
    const kept = this.path(id, files.memory);
    if (monitor !== undefined) {
      fs.writeFileSync(this.path(id, files.places), JSON.stringify(await placesOf(monitor)));
      await saveMemory(monitor, kept, this.options, signal);
    } else if (!fs.existsSync(kept))
      throw new Failure('conflict', 'guest-off', 'The guest is off', { facts: { id } });
    await this.end(id);
  }

  async wake(spec: GuestSpec, signal: AbortSignal): Promise<void> {
    const kept = this.path(spec.id, files.memory);
    if ((await this.power(spec.id)) === 'off') {
      if (!fs.existsSync(kept))
        throw new Failure('missing', 'memory-missing', 'What the guest had in memory is not here');
      const places = this.keptPlaces(spec.id);
      await this.launch({ ...spec, places }, signal, ['-incoming', 'defer']);
      await serveMemory(await this.get(spec.id), kept, this.options, signal);
    }
    await this.resume(spec.id);
    fs.rmSync(kept, { force: true });
  }

  /** Where its devices were when it was suspended. */
  private keptPlaces(id: string): Places {
    const path = this.path(id, files.places);
    return fs.existsSync(path) ? (JSON.parse(fs.readFileSync(path, 'utf8')) as Places) : {};
  }

  async places(id: string): Promise<Places> {
    return placesOf(await this.get(id));
  }

  async receive(spec: GuestSpec, { console }: { readonly console: Buffer }): Promise<Duplex> {
    await this.remove(spec.id);
    fs.mkdirSync(this.path(spec.id), { recursive: true, mode: 0o700 });
    fs.writeFileSync(this.path(spec.id, files.console), console, { mode: 0o600 });
    await this.launch(spec, new AbortController().signal, ['-incoming', 'defer', '-S']);
    return awaitMemory(await this.get(spec.id), this.path(spec.id), this.options.net);
  }

  async received(id: string, signal: AbortSignal): Promise<void> {
    try {
      await untilMigrated(await this.get(id), this.options.clock, signal);
    } catch (error) {
      if (!isFailure(error, 'closed') && !isFailure(error, 'conflict')) throw error;
      throw new Failure('conflict', 'memory-refused', `QEMU ended: ${this.lastWords(id)}`);
    }
  }

  private lastWords(id: string): string {
    const path = this.path(id, files.said);
    return fs.existsSync(path) ? fs.readFileSync(path, 'utf8').trim().slice(-500) : '';
  }

  async send(id: string, to: Duplex, sending: Sending): Promise<void> {
    const { net, clock } = this.options;
    await sendMemory(await this.get(id), this.path(id), to, { net, clock, ...sending });
  }

  async hasGone(id: string): Promise<boolean> {
    const monitor = await this.find(id);
    if (monitor === undefined) return false;
    return (await migrationOf(monitor)).status === 'completed' && (await isStill(monitor));
  }

  async remove(id: string): Promise<void> {
    await this.end(id);
    fs.rmSync(this.path(id), { recursive: true, force: true });
  }

  async plugDisk(id: string, disk: GuestDisk): Promise<void> {
    const monitor = await this.get(id);
    const nodes = (await monitor.run('query-named-block-nodes', { flat: true })) as {
      'node-name': string;
    }[];
    if (!nodes.some((node) => node['node-name'] === nodeOf(disk.id)))
      await monitor.run('blockdev-add', blockDevice(disk));
    await this.plug(monitor, diskName(disk.id), diskDevice(disk));
  }

  async plugPort(id: string, port: GuestPort): Promise<void> {
    const monitor = await this.get(id);
    if (await hasDevice(monitor, portName(port.id))) return;
    await this.checkPlace(id, port);
    await missingIsFine(() => monitor.run('netdev_del', { id: netOf(port.id) }));
    await monitor.run('netdev_add', netDevice(port));
    await this.plug(monitor, portName(port.id), portDevice(port));
  }

  /** A guest that started without ports may be elsewhere than the taps, where QEMU would make one that leads nowhere. */
  private async checkPlace(id: string, { enter }: GuestPort): Promise<void> {
    const [program, ...args] = [...enter, 'readlink', '/proc/self/ns/net'];
    const { stdout } = await execFileAsync(program ?? '', args);
    if (stdout.trim() === fs.readlinkSync(`/proc/${this.pidOf(id)}/ns/net`)) return;
    throw new Failure(
      'conflict',
      'started-without-ports',
      'The server was started without a port: stop it, and start it again with one',
    );
  }

  private async plug(monitor: Monitor, name: string, device: object): Promise<void> {
    if (await hasDevice(monitor, name)) return;
    const taken = Object.values(await placesOf(monitor));
    const bus = slotNames.slice(3).find((slot) => !taken.includes(slot));
    if (bus === undefined)
      throw new Failure('conflict', 'slots-full', 'The guest has no free slot');
    await monitor.run('device_add', { ...device, bus });
  }

  async unplugDisk(id: string, diskId: string, signal: AbortSignal): Promise<void> {
    const monitor = await this.find(id);
    if (monitor === undefined) return;
    await this.unplug(monitor, diskName(diskId), signal);
    await missingIsFine(() => monitor.run('blockdev-del', { 'node-name': nodeOf(diskId) }));
  }

  async unplugPort(id: string, portId: string, signal: AbortSignal): Promise<void> {
    const monitor = await this.find(id);
    if (monitor === undefined) return;
    await this.unplug(monitor, portName(portId), signal);
    await missingIsFine(() => monitor.run('netdev_del', { id: netOf(portId) }));
  }

  /** The guest is asked, and asked again: while it boots it does not hear. */
  private async unplug(monitor: Monitor, name: string, signal: AbortSignal): Promise<void> {
    const { clock } = this.options;
    const untilMs = clock.monotonicMs() + unplugMs;
    for (let round = 0; await hasDevice(monitor, name); round++) {
      if (clock.monotonicMs() > untilMs || signal.aborted)
        throw new Failure('busy', 'unplug-refused', 'The guest does not let the device go');
      // Refused while an earlier request is pending, which is as good.
      if (round % 50 === 0) await whileRunning(() => monitor.run('device_del', { id: name }));
      await clock.sleep(50);
    }
  }

  async resizeDisk(id: string, diskId: string, sizeBytes: number): Promise<void> {
    const monitor = await this.find(id);
    await monitor?.run('block_resize', { 'node-name': nodeOf(diskId), size: sizeBytes });
  }

  async consoleLog(id: string, bytesMax: number): Promise<Buffer> {
    return readConsole(this.path(id, files.console), bytesMax);
  }

  async open(id: string, what: 'screen' | 'serial'): Promise<Duplex> {
    await this.get(id);
    const socket = this.options.net.connect({ path: this.path(id, files[what]) });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return socket;
  }

  async diagnostics(id: string): Promise<Diagnostics> {
    return diagnose(await this.get(id), { pid: this.pidOf(id), clock: this.options.clock });
  }

  async interrupt(id: string): Promise<void> {
    await (await this.get(id)).run('inject-nmi');
  }

  watch(listener: (state: GuestState) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private trimLater(): { cancel(): void } {
    return this.options.clock.after(trimEveryMs, () => {
      if (this.closed) return;
      try {
        for (const id of this.monitors.keys())
          trimConsole(this.path(id, files.console), this.options.consoleBytesMax);
      } catch (error) {
        this.options.log.warn({ err: error }, `console log: ${messageOf(error)}`);
      }
      Object.assign(this.trimming, this.trimLater());
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    this.trimming.cancel();
    for (const monitor of this.monitors.values()) monitor.close();
    this.monitors.clear();
  }
}
