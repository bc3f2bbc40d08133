/** The compute hosts that may join: their certificates, their addresses among themselves, their devices. */
import { createHash, X509Certificate } from 'node:crypto';
import * as fs from 'node:fs';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { Failure, systemClock } from '#common';
import type { Member, Members } from '#compute-hooks';
import type { DataFolder } from '../data-folder.ts';

const List = Type.Object({
  version: Type.Literal(1),
  hosts: Type.Array(
    Type.Object({ name: Type.String(), tunnel: Type.String(), fingerprint: Type.String() }),
  ),
});

/** Takes over the list that earlier versions kept in a file beside the database. */
export async function takeOverList(folder: DataFolder, members: Members): Promise<void> {
  const path = folder.path('hosts.json');
  if (!fs.existsSync(path)) return;
  const document: unknown = JSON.parse(fs.readFileSync(path, 'utf8'));
  if (!Value.Check(List, document))
    throw new Failure('corrupt', 'hosts-damaged', 'The list of compute hosts cannot be read', {
      facts: { path },
    });
  for (const host of document.hosts) await members.put(systemClock.nowUs(), () => host);
  fs.rmSync(path);
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
export function freeTunnel(range: string, hosts: readonly Member[]): string {
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
