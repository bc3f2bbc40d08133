/** The network as a component: where servers listen and clients connect. */
import * as fs from 'node:fs';
import * as nodeNet from 'node:net';
import { Failure, systemCodeOf } from './failure.ts';

/** A TCP host and port, or the path of a unix socket. */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

export function renderAddress(address: Address): string {
  if ('path' in address) return `unix:${address.path}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

export interface Net {
  connect(address: Address): nodeNet.Socket;
  /** Starts listening; `conflict` when the address is in use, `denied` when it may not be used. */
  listen(server: nodeNet.Server, address: Address): Promise<void>;
}

export const systemNet: Net = {
  connect: (address) =>
    'path' in address
      ? nodeNet.connect({ path: address.path })
      : nodeNet.connect({ host: address.host, port: address.port, noDelay: true }),
  listen: (server, address) =>
    new Promise((resolve, reject) => {
      const refuse = (error: Error) => reject(listenFailure(error, address));
      server.once('error', refuse);
      server.listen(
        'path' in address ? { path: address.path } : { host: address.host, port: address.port },
        () => {
          server.off('error', refuse);
          resolve();
        },
      );
    }),
};

const ownerOnly = 0o600;

/**
 * Listens on a unix socket that only this user may connect to. Removes what lies there: a file that a killed process left, which
 * the caller knows because it alone may use this folder.
 */
export async function listenPrivately(server: nodeNet.Server, path: string): Promise<void> {
  fs.rmSync(path, { force: true });
  await systemNet.listen(server, { path });
  fs.chmodSync(path, ownerOnly);
}

export function listenFailure(error: unknown, address: Address): Failure {
  const options = { facts: { address: renderAddress(address) }, cause: error };
  const systemCode = systemCodeOf(error);
  if (systemCode === 'EADDRINUSE')
    return new Failure('conflict', 'address-in-use', 'Another program uses this address', options);
  if (systemCode === 'EACCES')
    return new Failure('denied', 'address-denied', 'This address may not be used', options);
  return new Failure('unreachable', 'cannot-listen', 'Cannot listen on this address', options);
}

/** Fails with `address-in-use` unless the address is free now; to say so before anything is started. */
export async function ensureFree(net: Net, address: Address): Promise<void> {
  const probe = nodeNet.createServer();
  await net.listen(probe, address);
  await new Promise<void>((resolve) => probe.close(() => resolve()));
}

export interface Onread {
  /** Where the next bytes are to be put. */
  readonly buffer: () => Buffer;
  /** So many bytes came into what `buffer` gave; false stops reading. */
  readonly callback: (count: number, buffer: Uint8Array) => boolean;
}

/**
 * An accepted connection (of a server with `pauseOnConnect`) as a socket that reads into its receiver's buffers, which Node
 * offers for outgoing sockets only: a new socket takes over the handle. It saves an allocation of 64 KiB for every read.
 */
export function receiveInto(accepted: nodeNet.Socket, onread: Onread): nodeNet.Socket {
  const handle: unknown = Reflect.get(accepted, '_handle');
  Reflect.set(accepted, '_handle', null);
  const socket: unknown = Reflect.construct(nodeNet.Socket, [{ handle, onread }]);
  if (!(socket instanceof nodeNet.Socket))
    throw new Failure('bug', 'no-socket', 'A socket could not be made');
  // It has no handle any more, but its listener counts it.
  socket.once('close', () => accepted.destroy());
  return socket;
}
