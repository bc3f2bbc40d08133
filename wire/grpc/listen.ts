/** Serves devices over gRPC: one method, a link per stream. */
import * as grpc from '@grpc/grpc-js';
import { type Address, type Logger, listenFailure } from '#common';
import { exchangePath, messageBytesMax } from '../codec/frames.ts';
import type { Link } from '../link.ts';
import type { WireSettings } from '../settings.ts';
import { serverCredentials, type Tls } from '../tls.ts';
import { same, servedLink } from './grpc-links.ts';
import { widenWindow } from './http2-window.ts';

export interface ListenGrpcParts {
  readonly address: Address;
  readonly tls: Tls;
  readonly settings: WireSettings;
  readonly log: Logger;
  readonly serve: (link: Link) => void;
}

export async function listenGrpc(parts: ListenGrpcParts) {
  const { settings, log, address } = parts;
  const server = new grpc.Server({
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.max_send_message_length': messageBytesMax,
    'grpc.keepalive_time_ms': settings.keepaliveMs,
    'grpc.keepalive_timeout_ms': settings.keepaliveMs,
  });
  const exchange = (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
    if (!widenWindow(call, settings.flowWindowBytes))
      log.warn('the HTTP/2 window could not be widened: uploads will be slow');
    parts.serve(servedLink(call, settings));
  };
  server.addService(definition, { exchange });
  const port = await bind(server, parts);
  return {
    address: 'path' in address ? address : { ...address, port },
    close: async () => server.forceShutdown(),
  };
}

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

function bind(server: grpc.Server, parts: ListenGrpcParts): Promise<number> {
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
