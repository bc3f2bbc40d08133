/**
 * DHCP options that a port's owner may set, by Neutron's names, as OVN writes them. OVN puts values into the actions of its flows
 * as they are, so each must have the form of its kind: a value that does not could say anything there.
 */
import { canonicalIp, parseCidr, renderCidr } from '../addresses/ip.ts';

type Kind = 'number' | 'address' | 'addresses' | 'text' | 'routes';

const options: Readonly<Record<string, readonly [name: string, kind: Kind]>> = {
  mtu: ['mtu', 'number'],
  'lease-time': ['lease_time', 'number'],
  router: ['router', 'address'],
  netmask: ['netmask', 'address'],
  'dns-server': ['dns_server', 'addresses'],
  'ntp-server': ['ntp_server', 'addresses'],
  'log-server': ['log_server', 'addresses'],
  'server-ip-address': ['tftp_server_address', 'address'],
  'domain-name': ['domain_name', 'text'],
  'tftp-server': ['tftp_server', 'text'],
  'bootfile-name': ['bootfile_name', 'text'],
  'path-prefix': ['path_prefix', 'text'],
  wpad: ['wpad', 'text'],
  'classless-static-route': ['classless_static_route', 'routes'],
};

export const isKnownOption = (name: string): boolean => Object.hasOwn(options, name);

/** OVN's name and value, or nothing when the value has not the option's form. */
export function dhcpOption(name: string, value: string): readonly [string, string] | undefined {
  const [own, kind] = options[name] ?? [];
  if (own === undefined || kind === undefined) return undefined;
  const written = forms[kind](value.trim());
  return written === undefined ? undefined : [own, written];
}

const forms: Readonly<Record<Kind, (value: string) => string | undefined>> = {
  number: (value) => (/^\d{1,9}$/.test(value) ? String(Number(value)) : undefined),
  address: canonicalIp,
  addresses: (value) => {
    const each = value
      .replaceAll(/[{}]/g, '')
      .split(/[\s,]+/)
      .map(canonicalIp);
    return each.includes(undefined) ? undefined : `{${each.join(', ')}}`;
  },
  text: (value) => (/^[\w./:~%+@=-]{1,255}$/.test(value) ? `"${value}"` : undefined),
  routes: (value) => {
    const parts = value.replaceAll(/[{}]/g, '').split(/[\s,]+/);
    if (parts.length % 2 !== 0) return undefined;
    const read = parts.map((part, at) => {
      if (at % 2 === 1) return canonicalIp(part);
      const cidr = parseCidr(part);
      return cidr === undefined ? undefined : renderCidr(cidr);
    });
    if (read.includes(undefined)) return undefined;
    return `{${read.flatMap((one, at) => (at % 2 === 0 ? [`${one},${read[at + 1]}`] : [])).join(', ')}}`;
  },
};
