/** MAC addresses: random ones of this cloud's own prefix, and what IPv6 makes of them. */
import type { Random } from '#common';
import { type Cidr, renderIp } from './ip.ts';

/** Locally administered, as the reference implementation's default. */
const prefix = 'fa:16:3e';

export function newMac(random: Random): string {
  const tail = [...random.bytes(3)].map((byte) => byte.toString(16).padStart(2, '0'));
  return `${prefix}:${tail.join(':')}`;
}

/** `aa:bb:cc:dd:ee:ff` however it was written, or nothing when it is none that a port may have. */
export function canonicalMac(text: string): string | undefined {
  const digits = text.toLowerCase().replaceAll(/[:.-]/g, '');
  if (!/^[0-9a-f]{12}$/.test(digits) || /^0{12}$/.test(digits)) return undefined;
  return digits.match(/../g)?.join(':');
}

/** The address that a host gives itself in this prefix (modified EUI-64). */
export function slaacAddress(cidr: Cidr, mac: string): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac
    .split(':')
    .map((part) => parseInt(part, 16));
  const bytes = [a ^ 2, b, c, 0xff, 0xfe, d, e, f];
  const low = bytes.reduce((value, byte) => value * 256n + BigInt(byte), 0n);
  return renderIp(6, cidr.first + low);
}
