/** Addresses of subnets: which a port gets, which it may ask for. What is given out is a claim in the database. */
import type { NetworkCore, Tx } from '../core.ts';
import { fail } from '../failures.ts';
import type { FixedIp, Subnet } from '../model/documents.ts';
import { claim, claimed, unclaim } from '../model/store.ts';
import { cidrOf, contains, parseIp, renderIp } from './ip.ts';
import { slaacAddress } from './mac.ts';

export const scopeOf = (subnetId: string) => `ip ${subnetId}`;

const step = 32;

/** Where the last address of a subnet was found: the next search goes on behind it, so that addresses are not reused at once. */
const cursors = new Map<string, bigint>();
const cursorsMax = 10_000;

export const givesItself = (subnet: Subnet): boolean =>
  subnet.ipv6_address_mode === 'slaac' || subnet.ipv6_address_mode === 'dhcpv6-stateless';

/** A free address of the subnet's pools, or nothing when they are used up. */
export async function takeAny(
  tx: Tx,
  subnet: Subnet,
  portId: string,
): Promise<FixedIp | undefined> {
  const pools = subnet.allocation_pools.map(({ start, end }) => ({
    first: parseIp(start)?.value ?? 0n,
    last: parseIp(end)?.value ?? -1n,
  }));
  const cursor = cursors.get(subnet.id) ?? -1n;
  const behind = pools.map((pool) => ({
    ...pool,
    first: pool.first > cursor ? pool.first : cursor + 1n,
  }));
  for (const { first, last } of [...behind, ...pools]) {
    for (let at = first; at <= last; at += BigInt(step)) {
      const count = Number(last - at + 1n < BigInt(step) ? last - at + 1n : BigInt(step));
      const values = Array.from({ length: count }, (_, index) => at + BigInt(index));
      const texts = values.map((value) => renderIp(subnet.ip_version, value));
      const taken = await claimed(tx, scopeOf(subnet.id), texts);
      for (const [index, text] of texts.entries()) {
        if (taken.has(text) || text === subnet.gateway_ip) continue;
        if (!(await claim(tx, scopeOf(subnet.id), text, portId))) continue;
        if (cursors.size > cursorsMax) cursors.clear();
        cursors.set(subnet.id, values[index] ?? -1n);
        return { subnet_id: subnet.id, ip_address: text };
      }
    }
  }
  return undefined;
}

/** This very address, which must be one of the subnet's and free. */
export async function takeThis(
  tx: Tx,
  subnet: Subnet,
  address: string,
  portId: string,
): Promise<FixedIp> {
  const ip = parseIp(address);
  const cidr = cidrOf(subnet.cidr);
  const unusable =
    ip === undefined ||
    !contains(cidr, ip) ||
    (ip.value === cidr.first && cidr.prefixLength < (cidr.version === 4 ? 31 : 127)) ||
    (cidr.version === 4 && ip.value === cidr.last && cidr.prefixLength < 31);
  if (unusable)
    throw fail(
      'invalid-ip-for-subnet',
      `IP address ${address} is not a valid IP for the specified subnet.`,
    );
  if (!(await claim(tx, scopeOf(subnet.id), address, portId)))
    throw fail(
      'ip-address-already-allocated',
      `IP address ${address} already allocated in subnet ${subnet.id}`,
    );
  return { subnet_id: subnet.id, ip_address: address };
}

/** The address that a port with this MAC gives itself. */
export async function takeSlaac(
  tx: Tx,
  subnet: Subnet,
  mac: string,
  portId: string,
): Promise<FixedIp> {
  const address = slaacAddress(cidrOf(subnet.cidr), mac);
  if (!(await claim(tx, scopeOf(subnet.id), address, portId)))
    throw fail(
      'ip-address-already-allocated',
      `IP address ${address} already allocated in subnet ${subnet.id}`,
    );
  return { subnet_id: subnet.id, ip_address: address };
}

export async function giveBack(tx: Tx, fixed: FixedIp, portId: string): Promise<void> {
  await unclaim(tx, scopeOf(fixed.subnet_id), fixed.ip_address, portId);
}

export type { NetworkCore };
