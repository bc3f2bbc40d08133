/** The calling end of a socket link: a unix socket, or TCP with mutual TLS. */
import * as nodeNet from 'node:net';
import * as nodeTls from 'node:tls';
import { type Address, type Clock, type Random, renderAddress } from '#common';
import type { Link } from '../link.ts';
import type { WireSettings } from '../settings.ts';
import { alpnFramed, nodeServerName, secretOf, type Tls, tlsMaterial } from '../tls.ts';
import { SocketLink } from './socket-link.ts';

export interface SocketTarget {
  readonly address: Address;
  readonly tls: Tls;
  readonly settings: WireSettings;
  readonly clock: Clock;
  readonly random: Random;
}

export function dialSocket(target: SocketTarget): Link {
  const { address, tls } = target;
  const link = new SocketLink({
    ...target,
    side: 'client',
    peer: renderAddress(address),
    secret: secretOf(tls),
  });
  const { onread } = link;
  const place =
    'path' in address ? address : { host: address.host, port: address.port, noDelay: true };
  const material = tlsMaterial(tls);
  if (material === undefined) {
    link.attach(nodeNet.connect({ ...place, onread }));
    return link;
  }
  // Node's types do not list `onread` for TLS; its documentation does.
  const options: nodeTls.ConnectionOptions & { onread: typeof onread } = {
    ...place,
    ...material,
    onread,
    servername: nodeServerName,
    ALPNProtocols: [alpnFramed],
  };
  link.attach(nodeTls.connect(options));
  return link;
}
