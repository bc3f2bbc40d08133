/** The ways between two processes that the bench compares, and what both ends must agree on. */
import { type Address, defaultsOf, systemClock, systemRandom } from '#common';
import { createAuthority, issueCertificate } from '../certificates.ts';
import { wireSettings } from '../settings.ts';
import type { Tls } from '../tls.ts';

/** What the bench hands to the serving process, as JSON. */
export interface Variant {
  readonly name: string;
  readonly transport: 'framed' | 'grpc';
  readonly address: Address;
  readonly tls: 'plaintext' | { readonly authority: string; certificate: string; key: string };
}

export async function variantsIn(folder: string): Promise<Variant[]> {
  const parts = { clock: systemClock, random: systemRandom };
  const authority = await createAuthority({ ...parts, cluster: 'bench' });
  const issued = await issueCertificate({ ...parts, authority, name: 'bench' });
  const tls = { authority: authority.certificate, ...issued };
  const loopback = { host: '127.0.0.1', port: 0 };
  const unix = (name: string) => ({ path: `${folder}/${name}.sock` });
  return [
    { name: 'frames, unix', transport: 'framed', address: unix('framed'), tls: 'plaintext' },
    { name: 'gRPC, unix', transport: 'grpc', address: unix('grpc'), tls: 'plaintext' },
    { name: 'frames, TLS', transport: 'framed', address: loopback, tls },
    { name: 'gRPC, TLS', transport: 'grpc', address: loopback, tls },
  ];
}

/** What both ends are made with. */
export function shared({ transport, tls }: Variant) {
  const settings = { ...defaultsOf(wireSettings), transport };
  const security: Tls = tls;
  return { settings, tls: security, cluster: 'bench', clock: systemClock, random: systemRandom };
}
