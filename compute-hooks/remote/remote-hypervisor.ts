/** The hypervisor of a host in another process, by calls. It keeps the same promises; what cannot be reached fails `unreachable`. */
import type { Duplex } from 'node:stream';
import { Type } from 'typebox';
import { type Clock, type Logger, messageOf } from '#common';
import type { Asking } from '#wire';
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
} from '../drivers/driver.ts';
import {
  DiagnosticsShape,
  FactsShape,
  PlacesShape,
  PowerShape,
  ProgressShape,
  read,
  StateShape,
  specLine,
} from './shapes.ts';

export interface RemoteParts {
  readonly clock: Clock;
  readonly log: Logger;
}

const againMs = 500;

const States = Type.Array(StateShape);

export class RemoteHypervisor implements Hypervisor {
  private readonly asking: Asking;
  private readonly listeners = new Set<(state: GuestState) => void>();
  private readonly over = new AbortController();

  constructor(asking: Asking, parts: RemoteParts) {
    this.asking = asking;
    void asking.ended.then(() => this.over.abort());
    void this.stayWatching(parts);
  }

  /** For as long as the connection lasts: a watch that ends before is begun again, and what ended meanwhile is told then. */
  private async stayWatching({ clock, log }: RemoteParts): Promise<void> {
    const { signal } = this.over;
    const news = (state: unknown) => this.tellOf(read(StateShape, state));
    for (let round = 0; !signal.aborted; round++) {
      try {
        const watching = this.asking.call('watch', {}, { news, signal });
        if (round > 0) for (const state of await this.list()) this.tellOf(state);
        await watching;
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ err: error }, `watching guests: ${messageOf(error)}`);
      }
      await clock.sleep(againMs);
    }
  }

  private tellOf(state: GuestState): void {
    for (const listener of this.listeners) listener(state);
  }

  async facts(): Promise<HostFacts> {
    const { problem, ...facts } = read(FactsShape, await this.asking.call('facts', {}));
    return { ...facts, ...(problem === undefined ? {} : { problem }) };
  }

  async list(): Promise<readonly GuestState[]> {
    return read(States, await this.asking.call('list', {}));
  }

  async power(id: string): Promise<GuestPower> {
    return read(PowerShape, await this.asking.call('power', { id }));
  }

  private async tell(call: string, args: unknown, signal?: AbortSignal): Promise<void> {
    await this.asking.call(call, args, signal === undefined ? {} : { signal });
  }

  start(spec: GuestSpec, signal: AbortSignal): Promise<void> {
    return this.tell('start', specLine(spec), signal);
  }

  wake(spec: GuestSpec, signal: AbortSignal): Promise<void> {
    return this.tell('wake', specLine(spec), signal);
  }

  stop(id: string, { graceMs }: { readonly graceMs: number }): Promise<void> {
    return this.tell('stop', { id, graceMs });
  }

  askReboot(id: string): Promise<void> {
    return this.tell('ask-reboot', { id });
  }

  pause(id: string): Promise<void> {
    return this.tell('pause', { id });
  }

  resume(id: string): Promise<void> {
    return this.tell('resume', { id });
  }

  suspend(id: string, signal: AbortSignal): Promise<void> {
    return this.tell('suspend', { id }, signal);
  }

  async places(id: string): Promise<Places> {
    return read(PlacesShape, await this.asking.call('places', { id }));
  }

  receive(spec: GuestSpec, before: { readonly console: Buffer }): Promise<Duplex> {
    const console = before.console.toString('base64');
    return this.asking.open('receive', { spec: specLine(spec), console });
  }

  received(id: string, signal: AbortSignal): Promise<void> {
    return this.tell('received', { id }, signal);
  }

  async send(id: string, to: Duplex, { signal, progress }: Sending): Promise<void> {
    try {
      await this.asking.call(
        'send',
        { id },
        { signal, to, news: (now) => progress(read(ProgressShape, now)) },
      );
    } catch (error) {
      to.destroy();
      throw error;
    }
  }

  async hasGone(id: string): Promise<boolean> {
    return read(Type.Boolean(), await this.asking.call('has-gone', { id }));
  }

  remove(id: string): Promise<void> {
    return this.tell('remove', { id });
  }

  plugDisk(id: string, disk: GuestDisk): Promise<void> {
    return this.tell('plug-disk', { id, disk });
  }

  unplugDisk(id: string, part: string, signal: AbortSignal): Promise<void> {
    return this.tell('unplug-disk', { id, part }, signal);
  }

  resizeDisk(id: string, part: string, sizeBytes: number): Promise<void> {
    return this.tell('resize-disk', { id, part, sizeBytes });
  }

  plugPort(id: string, port: GuestPort): Promise<void> {
    return this.tell('plug-port', { id, port });
  }

  unplugPort(id: string, part: string, signal: AbortSignal): Promise<void> {
    return this.tell('unplug-port', { id, part }, signal);
  }

  async consoleLog(id: string, bytesMax: number): Promise<Buffer> {
    const text = await this.asking.call('console-log', { id, bytesMax });
    return Buffer.from(read(Type.String(), text), 'base64');
  }

  open(id: string, what: 'screen' | 'serial'): Promise<Duplex> {
    return this.asking.open('open', { id, what });
  }

  async diagnostics(id: string): Promise<Diagnostics> {
    return read(DiagnosticsShape, await this.asking.call('diagnostics', { id }));
  }

  interrupt(id: string): Promise<void> {
    return this.tell('interrupt', { id });
  }

  watch(listener: (state: GuestState) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.over.abort();
  }
}
