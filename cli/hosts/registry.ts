/** The compute hosts that may join: names, addresses among themselves, and the certificates they were given. Kept in `hosts.json`. */
import { createHash, X509Certificate } from 'node:crypto';
import * as fs from 'node:fs';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { Failure } from '#common';
import { type DataFolder, writePrivate } from '../data-folder.ts';

const Host = Type.Object({
  name: Type.String({ pattern: '^[a-z0-9-]{1,63}$' }),
  /** With its prefix length; the first of the range is the controller's own machine. */
  tunnel: Type.String(),
  /** SHA-256 of the one certificate that counts. */
  fingerprint: Type.String(),
});
export type RegisteredHost = Static<typeof Host>;

const Hosts = Type.Object({ version: Type.Literal(1), hosts: Type.Array(Host) });

export function registeredHosts(folder: DataFolder): RegisteredHost[] {
  const path = folder.path('hosts.json');
  if (!fs.existsSync(path)) return [];
  const document: unknown = JSON.parse(fs.readFileSync(path, 'utf8'));
  if (Value.Check(Hosts, document)) return document.hosts;
  throw new Failure('corrupt', 'hosts-damaged', 'The list of compute hosts cannot be read', {
    facts: { path },
  });
}

export function writeHosts(folder: DataFolder, hosts: readonly RegisteredHost[]): void {
  const text = `${JSON.stringify({ version: 1, hosts }, null, 2)}\n`;
  writePrivate(folder.path('hosts.json'), text);
}

export function fingerprintOf(certificate: string | Buffer): string {
  return createHash('sha256').update(new X509Certificate(certificate).raw).digest('hex');
}

/** The address at this place of the range, with its prefix length. */
export function tunnelAddress(range: string, place: number): string {
  const [first = '', bits = '24'] = range.split('/');
  const number = first.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) + place;
  const parts = [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256);
  if (place >= 2 ** (32 - Number(bits)) - 1)
    throw new Failure('busy', 'tunnel-range-full', 'There is no address left in tunnelRange', {
      facts: { range },
    });
  return `${parts.join('.')}/${bits}`;
}

/** The next one that no host has. */
export function freeTunnel(range: string, hosts: readonly RegisteredHost[]): string {
  const taken = new Set(hosts.map(({ tunnel }) => tunnel));
  for (let place = 2; ; place++) {
    const address = tunnelAddress(range, place);
    if (!taken.has(address)) return address;
  }
}

/** This machine's wire to the other hosts. */
export function uplinkOf(tunnel: string, tag: string) {
  const [address = '', bits] = tunnel.split('/');
  return { device: 'uplink', address, prefixLength: Number(bits), bridge: `pb-${tag}` };
}

/** Tells a host's devices from those of others, on one machine as well. */
export function hostTag(clusterId: string, name: string): string {
  return createHash('sha256').update(`${clusterId}/${name}`).digest('hex').slice(0, 6);
}
