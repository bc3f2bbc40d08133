/** Who a node is to others: a certificate of the cluster's authority, shown and demanded by both ends. */
import * as grpc from '@grpc/grpc-js';

export interface TlsIdentity {
  /** The authority's certificate, PEM. */
  readonly authority: string;
  /** This node's certificate, PEM. */
  readonly certificate: string;
  /** Its private key, PEM (PKCS #8). */
  readonly key: string;
}

/** `plaintext` is for unix sockets and tests: whoever can connect may do everything. */
export type Tls = TlsIdentity | 'plaintext';

/** Every node's certificate carries this name, so that addresses may change without new certificates. */
export const nodeServerName = 'node.pileus.internal';

export function serverCredentials(tls: Tls): grpc.ServerCredentials {
  if (tls === 'plaintext') return grpc.ServerCredentials.createInsecure();
  const pair = { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.certificate) };
  return grpc.ServerCredentials.createSsl(Buffer.from(tls.authority), [pair], true);
}

export function clientCredentials(tls: Tls): grpc.ChannelCredentials {
  if (tls === 'plaintext') return grpc.credentials.createInsecure();
  return grpc.credentials.createSsl(
    Buffer.from(tls.authority),
    Buffer.from(tls.key),
    Buffer.from(tls.certificate),
  );
}
