/** IP addresses and prefixes as numbers, read from and written as text in canonical form. */
import { isIP } from 'node:net';

export interface Ip {
  readonly version: 4 | 6;
  readonly value: bigint;
}

/** A prefix; `first` has no host bits. */
export interface Cidr {
  readonly version: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
  readonly prefixLength: number;
}

export const bitsOf = (version: 4 | 6): number => (version === 4 ? 32 : 128);

export function parseIp(text: string): Ip | undefined {
  const version = isIP(text);
  if (version === 4) return { version, value: parse4(text) };
  if (version !== 6 || text.includes('%')) return undefined;
  return { version, value: parse6(text) };
}

const parse4 = (text: string): bigint =>
  text.split('.').reduce((value, part) => value * 256n + BigInt(part), 0n);

function parse6(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted !== null) {
    const low = parse4(dotted[2] ?? '');
    const tail = `${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`;
    return parse6(`${dotted[1]}${tail}`);
  }
  const [head = '', tail] = text.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...zeros, ...right].reduce(
    (value, group) => value * 65_536n + BigInt(`0x${group}`),
    0n,
  );
}

export function renderIp(version: 4 | 6, value: bigint): string {
  if (version === 4)
    return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join('.');
  const groups = Array.from({ length: 8 }, (_, at) =>
    ((value >> BigInt(112 - at * 16)) & 0xffffn).toString(16),
  );
  return compress(groups);
}

/** The longest run of two and more zero groups, the first of equals, becomes `::` (RFC 5952). */
function compress(groups: readonly string[]): string {
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (groups[at + length] === '0') length++;
    if (length > best.length) best = { at, length };
  }
  if (best.at < 0) return groups.join(':');
  return `${groups.slice(0, best.at).join(':')}::${groups.slice(best.at + best.length).join(':')}`;
}

/** The same address as everybody writes it, or nothing when it is none. */
export function canonicalIp(text: string): string | undefined {
  const ip = parseIp(text);
  return ip === undefined ? undefined : renderIp(ip.version, ip.value);
}

/** `10.0.0.0/24`, or an address alone as its own prefix; host bits are dropped. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', length, more] = text.split('/');
  const ip = parseIp(address);
  if (ip === undefined || more !== undefined) return undefined;
  const bits = bitsOf(ip.version);
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return undefined;
  const prefixLength = length === undefined ? bits : Number(length);
  if (prefixLength > bits) return undefined;
  return cidrAt(ip.version, ip.value, prefixLength);
}

export function cidrAt(version: 4 | 6, value: bigint, prefixLength: number): Cidr {
  const size = 1n << BigInt(bitsOf(version) - prefixLength);
  const first = (value / size) * size;
  return { version, first, last: first + size - 1n, prefixLength };
}

export const renderCidr = (cidr: Cidr): string =>
  `${renderIp(cidr.version, cidr.first)}/${cidr.prefixLength}`;

export function contains(cidr: Cidr, ip: Ip): boolean {
  return ip.version === cidr.version && ip.value >= cidr.first && ip.value <= cidr.last;
}

export function overlaps(one: Cidr, other: Cidr): boolean {
  return one.version === other.version && one.first <= other.last && other.first <= one.last;
}

/** The prefix of a subnet that has passed its checks. */
export function cidrOf(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new TypeError(`${text} is no prefix`);
  return cidr;
}

export const versionOf = (text: string): 4 | 6 => (text.includes(':') ? 6 : 4);
