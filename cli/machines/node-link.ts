/** A node's end of its connection to the controller: it connects, for ever, and is told of maps. */
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { type Logger, messageOf, systemClock, type Undo } from '#common';
import { nodeServerName, serveCalls, type TlsIdentity } from '#wire';
import { version } from '../version.ts';
import { type ClusterMap, decodeMap } from './cluster-map.ts';
import { nodeAlpn } from './links.ts';

export interface NodeLinkParts {
  readonly name: string;
  readonly role: 'storage' | 'front';
  readonly controller: { readonly host: string; readonly port: number };
  readonly tls: TlsIdentity;
  readonly log: Logger;
  /** Resolves when the map is in force here. */
  takeUp(map: ClusterMap): Promise<void>;
}

const againMs = 1000;

export function stayLinked(parts: NodeLinkParts, opened: Undo): void {
  const closing = new AbortController();
  const running = link(parts, closing.signal);
  opened.add(async () => {
    closing.abort();
    await running;
  });
}

async function link(parts: NodeLinkParts, signal: AbortSignal): Promise<void> {
  const { name, role, log } = parts;
  const calls = {
    hello: async () => ({ name, role, version }),
    map: async (args: unknown) => {
      const { map: document } = args as { readonly map?: unknown };
      const map = decodeMap(document, 'the controller');
      await parts.takeUp(map);
      return { epoch: map.epoch };
    },
  };
  while (!signal.aborted) {
    try {
      const socket = await joined(parts, signal);
      const serving = serveCalls(socket, calls, { clock: systemClock, log });
      const end = () => serving.close();
      signal.addEventListener('abort', end, { once: true });
      await serving.ended;
      signal.removeEventListener('abort', end);
    } catch (error) {
      log.warn(`the controller is out of reach: ${messageOf(error)}`);
    }
    await systemClock.sleep(againMs, signal).catch(() => undefined);
  }
}

export function tlsTo(
  controller: { readonly host: string; readonly port: number },
  authority: string,
): ConnectionOptions {
  return { ...controller, ca: authority, servername: nodeServerName, minVersion: 'TLSv1.3' };
}

function joined({ controller, tls }: NodeLinkParts, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      ...tlsTo(controller, tls.authority),
      ...{ cert: tls.certificate, key: tls.key, ALPNProtocols: [nodeAlpn.node] },
    });
    const giveUp = () => socket.destroy(new Error('closing'));
    signal.addEventListener('abort', giveUp, { once: true });
    socket.once('secureConnect', () => {
      signal.removeEventListener('abort', giveUp);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}
