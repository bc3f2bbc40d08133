/** Who a node is to others: a certificate of the cluster's authority, shown and demanded by both ends. */
import * as grpc from '@grpc/grpc-js';
import { Failure } from '#common';

export interface TlsIdentity {
  /** The authority's certificate, PEM. */
  readonly authority: string;
  /** This node's certificate, PEM. */
  readonly certificate: string;
  /** Its private key, PEM (PKCS #8). */
  readonly key: string;
}

/** For unix sockets: no encryption, and both ends prove that they know the cluster's secret. Not for gRPC. */
export interface SharedSecret {
  readonly secret: Buffer;
}

/** `plaintext` is for tests: whoever can connect may do everything. */
export type Tls = TlsIdentity | SharedSecret | 'plaintext';

/** Every node's certificate carries this name, so that addresses may change without new certificates. */
export const nodeServerName = 'node.pileus.internal';

/** What the framed protocol is called in the TLS handshake. */
export const alpnFramed = 'pileus-wire/1';

const knownToAll = Buffer.from('pileus');

/** The secret to prove; where TLS or nothing protects a connection, one that everybody knows. */
export function secretOf(tls: Tls): Buffer {
  return typeof tls === 'object' && 'secret' in tls ? tls.secret : knownToAll;
}

export interface TlsMaterial {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly minVersion: 'TLSv1.3';
}

/** For Node's own TLS; undefined where there is to be none. */
export function tlsMaterial(tls: Tls): TlsMaterial | undefined {
  if (tls === 'plaintext' || 'secret' in tls) return undefined;
  return { ca: tls.authority, cert: tls.certificate, key: tls.key, minVersion: 'TLSv1.3' };
}

export function serverCredentials(tls: Tls): grpc.ServerCredentials {
  const material = grpcMaterial(tls);
  if (material === undefined) return grpc.ServerCredentials.createInsecure();
  const pair = { private_key: Buffer.from(material.key), cert_chain: Buffer.from(material.cert) };
  return grpc.ServerCredentials.createSsl(Buffer.from(material.ca), [pair], true);
}

export function clientCredentials(tls: Tls): grpc.ChannelCredentials {
  const material = grpcMaterial(tls);
  if (material === undefined) return grpc.credentials.createInsecure();
  return grpc.credentials.createSsl(
    Buffer.from(material.ca),
    Buffer.from(material.key),
    Buffer.from(material.cert),
  );
}

/** gRPC has no proof of a secret, and must not go on without one. */
function grpcMaterial(tls: Tls): TlsMaterial | undefined {
  if (tls === 'plaintext' || !('secret' in tls)) return tlsMaterial(tls);
  throw new Failure('invalid', 'secret-without-frames', 'gRPC between nodes needs certificates');
}
