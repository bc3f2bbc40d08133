/** Serves devices to other nodes: a session per connection, over frames on a socket or over gRPC. */
import type { Address, Clock, Logger, Random } from '#common';
import type { DeviceService } from '../device-service.ts';
import { listenGrpc } from '../grpc/listen.ts';
import type { Link } from '../link.ts';
import type { WireSettings } from '../settings.ts';
import { type Listener, listenSockets } from '../socket/listen.ts';
import type { Tls } from '../tls.ts';
import { type RingEpochs, Session } from './session.ts';

export interface ServeParts {
  /** By the ring's device numbers. */
  readonly devices: ReadonlyMap<number, DeviceService>;
  /** Port 0 takes a free one. */
  readonly address: Address;
  readonly tls: Tls;
  readonly cluster: string;
  /** Left out: every client's ring will do. */
  readonly ringEpochs?: RingEpochs;
  readonly settings: WireSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface DeviceServer {
  /** Where it listens. */
  readonly address: Address;
  /** The oldest ring that clients may go by has changed: those who go by an older one are sent away. */
  endStale(): void;
  /** Lets requests in flight end for a moment, then ends every connection. The devices stay open. */
  close(): Promise<void>;
}

export async function serveDevices(parts: ServeParts): Promise<DeviceServer> {
  const sessions = new Set<Session>();
  const onEnd = (session: Session) => sessions.delete(session);
  const serve = (link: Link) => {
    sessions.add(new Session({ ringEpochs: anyRing, ...parts, link, onEnd }));
  };
  const listen = parts.settings.transport === 'grpc' ? listenGrpc : listenSockets;
  const listener = await listen({ ...parts, serve });
  return {
    address: listener.address,
    endStale: () => {
      for (const session of [...sessions]) session.endStale();
    },
    close: () => close(listener, sessions, parts.clock),
  };
}

const anyRing: RingEpochs = Object.freeze({ current: 0, least: 0 });

const closeWaitMs = 2000;
const closeStepMs = 10;

async function close(
  listener: Listener,
  sessions: ReadonlySet<Session>,
  clock: Clock,
): Promise<void> {
  const untilMs = clock.monotonicMs() + closeWaitMs;
  const waiting = () => [...sessions].some((session) => session.inFlight > 0);
  while (waiting() && clock.monotonicMs() < untilMs) await clock.sleep(closeStepMs);
  for (const session of [...sessions]) session.end();
  await listener.close();
}
