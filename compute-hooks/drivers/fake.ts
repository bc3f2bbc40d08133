/** A hypervisor that only keeps the books: guests start and end at once, or after as long as it is told, on the clock it is handed. */
import { Duplex, PassThrough } from 'node:stream';
import { type Clock, Failure } from '#common';
import type {
  Diagnostics,
  GuestPower,
  GuestSpec,
  GuestState,
  HostFacts,
  Hypervisor,
  Places,
  Sending,
} from './driver.ts';

interface Kept {
  spec: GuestSpec;
  power: GuestPower;
  suspended: boolean;
  console: string;
  startedMs: number;
}

export interface FakeOptions {
  readonly clock: Clock;
  readonly vcpus?: number;
  readonly memoryMib?: number;
  /** How long each change takes. */
  readonly delayMs?: number;
}

export class FakeHypervisor implements Hypervisor {
  private readonly options: FakeOptions;
  readonly guests = new Map<string, Kept>();
  private readonly gone = new Set<string>();
  private readonly listeners = new Set<(state: GuestState) => void>();
  /** The next calls of this name fail so. */
  failing: { readonly call: string; readonly failure: Failure } | undefined;

  constructor(options: FakeOptions) {
    this.options = options;
  }

  private async step(call: string): Promise<void> {
    if (this.options.delayMs) await this.options.clock.sleep(this.options.delayMs);
    if (this.failing?.call === call) throw this.failing.failure;
  }

  async facts(): Promise<HostFacts> {
    return {
      type: 'fake',
      version: 1_000_000,
      vcpus: this.options.vcpus ?? 1000,
      memoryMib: this.options.memoryMib ?? 8_000_000,
      cpu: { arch: 'x86_64', vendor: 'fake', model: 'fake', accelerator: 'none' },
    };
  }

  async list(): Promise<GuestState[]> {
    return [...this.guests].map(([id, { power }]) => ({ id, power }));
  }

  async power(id: string): Promise<GuestPower> {
    return this.guests.get(id)?.power ?? 'off';
  }

  async start(spec: GuestSpec): Promise<void> {
    await this.step('start');
    const { clock } = this.options;
    const known = this.guests.get(spec.id);
    if (known !== undefined && known.power !== 'off') {
      known.power = 'running';
      return;
    }
    const console = `${known?.console ?? ''}booting ${spec.name}\n`;
    const startedMs = clock.monotonicMs();
    this.guests.set(spec.id, { spec, power: 'running', suspended: false, console, startedMs });
  }

  private the(id: string): Kept {
    const kept = this.guests.get(id);
    if (kept !== undefined && kept.power !== 'off') return kept;
    throw new Failure('conflict', 'guest-off', 'The guest is off', { facts: { id } });
  }

  async stop(id: string): Promise<void> {
    await this.step('stop');
    const kept = this.guests.get(id);
    if (kept !== undefined) kept.power = 'off';
  }

  async askReboot(id: string): Promise<void> {
    await this.step('askReboot');
    const kept = this.the(id);
    kept.power = 'running';
    kept.console += `booting ${kept.spec.name}\n`;
  }

  async pause(id: string): Promise<void> {
    await this.step('pause');
    this.the(id).power = 'paused';
  }

  async resume(id: string): Promise<void> {
    await this.step('resume');
    this.the(id).power = 'running';
    this.gone.delete(id);
  }

  async suspend(id: string): Promise<void> {
    await this.step('suspend');
    const kept = this.guests.get(id);
    if (kept?.suspended) return;
    const running = this.the(id);
    running.power = 'off';
    running.suspended = true;
  }

  async wake(spec: GuestSpec): Promise<void> {
    await this.step('wake');
    const kept = this.guests.get(spec.id);
    if (kept === undefined || (kept.power === 'off' && !kept.suspended))
      throw new Failure('missing', 'memory-missing', 'What the guest had in memory is not here');
    kept.power = 'running';
    kept.suspended = false;
  }

  async places(id: string): Promise<Places> {
    this.the(id);
    return {};
  }

  async receive(spec: GuestSpec): Promise<Duplex> {
    await this.step('receive');
    const startedMs = this.options.clock.monotonicMs();
    this.guests.set(spec.id, { spec, power: 'paused', suspended: false, console: '', startedMs });
    return new PassThrough().resume();
  }

  async received(id: string): Promise<void> {
    await this.step('received');
    this.the(id);
  }

  async send(id: string, to: Duplex, { signal, progress }: Sending): Promise<void> {
    signal.throwIfAborted();
    const kept = this.the(id);
    await this.step('send');
    progress({ totalBytes: 1, doneBytes: 1, leftBytes: 0 });
    to.end('memory');
    kept.power = 'paused';
    this.gone.add(id);
  }

  async hasGone(id: string): Promise<boolean> {
    return this.gone.has(id);
  }

  async remove(id: string): Promise<void> {
    this.gone.delete(id);
    await this.step('remove');
    this.guests.delete(id);
  }

  async plugDisk(id: string, disk: GuestSpec['disks'][number]): Promise<void> {
    await this.step('plugDisk');
    const kept = this.the(id);
    const others = kept.spec.disks.filter((one) => one.id !== disk.id);
    kept.spec = { ...kept.spec, disks: [...others, disk] };
  }

  async unplugDisk(id: string, diskId: string): Promise<void> {
    await this.step('unplugDisk');
    const kept = this.guests.get(id);
    if (kept !== undefined)
      kept.spec = { ...kept.spec, disks: kept.spec.disks.filter((one) => one.id !== diskId) };
  }

  async resizeDisk(): Promise<void> {
    await this.step('resizeDisk');
  }

  async plugPort(id: string, port: GuestSpec['ports'][number]): Promise<void> {
    await this.step('plugPort');
    const kept = this.the(id);
    const others = kept.spec.ports.filter((one) => one.id !== port.id);
    kept.spec = { ...kept.spec, ports: [...others, port] };
  }

  async unplugPort(id: string, portId: string): Promise<void> {
    await this.step('unplugPort');
    const kept = this.guests.get(id);
    if (kept !== undefined)
      kept.spec = { ...kept.spec, ports: kept.spec.ports.filter((one) => one.id !== portId) };
  }

  async consoleLog(id: string, bytesMax: number): Promise<Buffer> {
    return Buffer.from((this.guests.get(id)?.console ?? '').slice(-bytesMax));
  }

  async open(id: string): Promise<Duplex> {
    this.the(id);
    // Says back what it is told, as a terminal does.
    return new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        this.push(chunk);
        done();
      },
    });
  }

  async diagnostics(id: string): Promise<Diagnostics> {
    const { spec, power, startedMs } = this.the(id);
    return {
      state: power,
      uptimeS: Math.floor((this.options.clock.monotonicMs() - startedMs) / 1000),
      cpuTimesNs: Array.from({ length: spec.vcpus }, () => 0),
      memoryMaxMib: spec.memoryMib,
      memoryUsedMib: spec.memoryMib,
      disks: spec.disks.map(() => ({
        readBytes: 0,
        readRequests: 0,
        writeBytes: 0,
        writeRequests: 0,
        errors: 0,
      })),
    };
  }

  async interrupt(id: string): Promise<void> {
    this.the(id);
  }

  watch(listener: (state: GuestState) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** What a guest that powers itself off does. */
  endByItself(id: string): void {
    this.the(id).power = 'off';
    for (const listener of this.listeners) listener({ id, power: 'off' });
  }

  async close(): Promise<void> {}
}
