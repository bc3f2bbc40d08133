/** Serves devices to other nodes: one gRPC method, a session per stream. */
import * as grpc from '@grpc/grpc-js';
import { type Address, type Clock, type Logger, listenFailure } from '#common';
import { exchangePath, messageBytesMax } from '../codec/frames.ts';
import type { DeviceService } from '../device-service.ts';
import type { WireSettings } from '../settings.ts';
import { serverCredentials, type Tls } from '../tls.ts';
import { widenWindow } from './http2-window.ts';
import { Session } from './session.ts';

export interface ServeParts {
  /** By the ring's device numbers. */
  readonly devices: ReadonlyMap<number, DeviceService>;
  /** Port 0 takes a free one. */
  readonly address: Address;
  readonly tls: Tls;
  readonly cluster: string;
  readonly settings: WireSettings;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface DeviceServer {
  /** Where it listens. */
  readonly address: Address;
  /** Lets requests in flight end for a moment, then ends every stream. The devices stay open. */
  close(): Promise<void>;
}

export async function serveDevices(parts: ServeParts): Promise<DeviceServer> {
  const { settings, log } = parts;
  const server = new grpc.Server({
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.max_send_message_length': messageBytesMax,
    'grpc.keepalive_time_ms': settings.keepaliveMs,
    'grpc.keepalive_timeout_ms': settings.keepaliveMs,
  });
  const sessions = new Set<Session>();
  const exchange = (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
    if (!widenWindow(call, settings.flowWindowBytes))
      log.warn('the HTTP/2 window could not be widened: uploads will be slow');
    const onEnd = (session: Session) => sessions.delete(session);
    sessions.add(new Session({ ...parts, call, onEnd }));
  };
  server.addService(definition, { exchange });
  const port = await bind(server, parts);
  const address = 'path' in parts.address ? parts.address : { ...parts.address, port };
  return { address, close: () => close(server, sessions, parts.clock) };
}

const same = (bytes: Buffer): Buffer => bytes;

const definition: grpc.ServiceDefinition = {
  exchange: {
    path: exchangePath,
    requestStream: true,
    responseStream: true,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  },
};

function bind(server: grpc.Server, parts: ServeParts): Promise<number> {
  const { address } = parts;
  const target = 'path' in address ? `unix:${address.path}` : hostAndPort(address);
  return new Promise((resolve, reject) => {
    server.bindAsync(target, serverCredentials(parts.tls), (error, port) => {
      if (error === null) resolve(port);
      else reject(listenFailure(withSystemCode(error), address));
    });
  });
}

function hostAndPort(address: { readonly host: string; readonly port: number }): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** grpc-js passes on only the text of what went wrong. */
function withSystemCode(error: Error): Error {
  const code = /\bE[A-Z]{4,}\b/.exec(error.message)?.[0];
  return code === undefined ? error : Object.assign(new Error(error.message), { code });
}

const closeWaitMs = 2000;
const closeStepMs = 10;

async function close(
  server: grpc.Server,
  sessions: ReadonlySet<Session>,
  clock: Clock,
): Promise<void> {
  const untilMs = clock.monotonicMs() + closeWaitMs;
  const waiting = () => [...sessions].some((session) => session.inFlight > 0);
  while (waiting() && clock.monotonicMs() < untilMs) await clock.sleep(closeStepMs);
  for (const session of [...sessions]) session.end();
  server.forceShutdown();
}
