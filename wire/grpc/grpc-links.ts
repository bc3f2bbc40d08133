/** gRPC as a link: a bidirectional stream whose messages are batches of frames. */
import * as grpc from '@grpc/grpc-js';
import type { Address, Failure } from '#common';
import { exchangePath, messageBytesMax } from '../codec/frames.ts';
import type { Link, LinkEvents, Sent } from '../link.ts';
import type { WireSettings } from '../settings.ts';
import { clientCredentials, nodeServerName, type Tls } from '../tls.ts';

export interface GrpcTarget {
  readonly address: Address;
  readonly tls: Tls;
  readonly settings: WireSettings;
}

export function dialGrpc({ address, tls, settings }: GrpcTarget): Link {
  const client = new grpc.Client(targetOf(address), clientCredentials(tls), {
    ...channelOptions(settings),
    ...(tls === 'plaintext' ? {} : { 'grpc.ssl_target_name_override': nodeServerName }),
  });
  const call = client.makeBidiStreamRequest<Buffer, Buffer>(exchangePath, same, same);
  return {
    ...basics(call, settings),
    peer: targetOf(address),
    start: ({ message, ended }) => {
      call.on('data', message);
      call.on('error', ended);
      call.on('end', () => ended());
    },
    refuse: () => call.cancel(),
    destroy: () => {
      call.cancel();
      client.close();
    },
  };
}

export function servedLink(
  call: grpc.ServerDuplexStream<Buffer, Buffer>,
  settings: WireSettings,
): Link {
  return {
    ...basics(call, settings),
    peer: call.getPeer(),
    start: ({ message, ended }: LinkEvents) => {
      call.on('data', message);
      call.on('end', () => ended());
      call.on('cancelled', () => ended());
      call.on('error', ended);
    },
    refuse: (why: Failure) => {
      const garbled = why.code === 'bad-message';
      const code = garbled ? grpc.status.INVALID_ARGUMENT : grpc.status.FAILED_PRECONDITION;
      call.emit('error', { code, details: why.message });
    },
    destroy: () => call.end(),
  };
}

type AnyCall = grpc.ServerDuplexStream<Buffer, Buffer> | grpc.ClientDuplexStream<Buffer, Buffer>;

function basics(call: AnyCall, settings: WireSettings) {
  return {
    headBytes: 0,
    partBytesMax: settings.batchBytesMax,
    write: (pieces: readonly Buffer[], sent: Sent) => {
      const [first] = pieces;
      const whole = pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
      call.write(whole, sent as () => void);
    },
    pause: () => {
      call.pause();
    },
    resume: () => {
      call.resume();
    },
    end: () => {
      call.end();
    },
  };
}

export const same = (bytes: Buffer): Buffer => bytes;

function targetOf(address: Address): string {
  if ('path' in address) return `unix:${address.path}`;
  return address.host.includes(':')
    ? `ipv6:[${address.host}]:${address.port}`
    : `dns:${address.host}:${address.port}`;
}

function channelOptions(settings: WireSettings): grpc.ChannelOptions {
  return {
    'grpc-node.flow_control_window': settings.flowWindowBytes,
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.max_send_message_length': messageBytesMax,
    'grpc.keepalive_time_ms': settings.keepaliveMs,
    'grpc.keepalive_timeout_ms': settings.keepaliveMs,
    'grpc.enable_retries': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.service_config_disable_resolution': 1,
  };
}
