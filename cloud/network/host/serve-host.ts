/** One host's network in a process of its own: daemons looked after here, what is wanted told by calls from where OVN's databases are. */
import { type Clock, type Logger, messageOf, type Timer } from '#common';
import type { CallHandler } from '#wire';
import { LocalHost, type LocalHostParts } from './host-end.ts';
import { Arranged, type MetadataQuestion, Named, Pluggable, readCall } from './host-shapes.ts';
import type { MetadataHandler } from './metadata.ts';

export interface NetworkHostParts extends Omit<LocalHostParts, 'handler' | 'whoIs'> {
  readonly clock: Clock;
  readonly log: Logger;
  /** Makes sure that this process may and can. */
  prepare(): Promise<void>;
  /** What a guest asks its metadata address; who it is, the other end knows. */
  answer(question: MetadataQuestion, ...exchange: Parameters<MetadataHandler>): void;
}

export interface NetworkHost {
  readonly calls: Readonly<Record<string, CallHandler>>;
  /** Guests that still run keep their network; without guests nothing stays. */
  close(): Promise<void>;
}

const superviseMs = 1_000;

export function openNetworkHost(parts: NetworkHostParts): NetworkHost {
  const { clock, log } = parts;
  const host = new LocalHost({
    ...parts,
    handler: () => (request, response, asker) =>
      parts.answer(
        { networkId: asker.networkId, address: asker.address },
        request,
        response,
        asker,
      ),
    // Known where the ports are; here nobody but the place is told.
    whoIs: async (networkId, address) => ({
      ...{ networkId, address, portId: '', deviceId: '', projectId: '' },
    }),
  });
  let timer: Timer | undefined;
  let working: Promise<unknown> = Promise.resolve();
  let closed = false;
  /** One after the other: two must not set up one switch. */
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const next = working.then(work, work);
    working = next.catch(() => undefined);
    return next;
  };
  const ensure = () => alone(() => host.ensure());
  const supervise = () => {
    if (closed) return;
    timer = clock.after(superviseMs, () => {
      ensure()
        .then((started) => {
          if (started.length > 0) log.warn({ started }, 'daemons had ended and were started again');
        })
        .catch((error: unknown) => log.error({ err: error }, `network: ${messageOf(error)}`))
        .finally(supervise);
    });
  };
  return {
    calls: {
      'network-ensure': async () => {
        await parts.prepare();
        const started = await ensure();
        if (timer === undefined) supervise();
        return started;
      },
      'network-arrange': (args) => host.arrange(readCall(Arranged, args)),
      'network-plug': (args) => {
        const { owner, ...port } = readCall(Pluggable, args);
        return host.plug(port, {
          ...(owner?.uid === undefined ? {} : { uid: owner.uid }),
          ...(owner?.gid === undefined ? {} : { gid: owner.gid }),
        });
      },
      'network-unplug': (args) => host.unplug(readCall(Named, args).portId),
      'network-plugged': async () => (host.anyRuns() ? host.plugged() : []),
      'network-alive': async () => host.isAlive(),
    },
    close: async () => {
      closed = true;
      timer?.cancel();
      await working;
      if (host.anyRuns() && !(await host.hasGuests())) await host.stop();
    },
  };
}
