/** Readers of values: what an attribute may be, in Neutron's words for what it may not. */
import { isIP } from 'node:net';
import { canonicalIp, parseCidr, parseIp, renderCidr, renderIp } from '../addresses/ip.ts';
import { canonicalMac } from '../addresses/mac.ts';
import { type Reader, shownValue, Wrong } from './attributes.ts';

const uuidPattern = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

export const text =
  (lengthMax: number): Reader =>
  (value) => {
    if (typeof value !== 'string') throw new Wrong(`'${shownValue(value)}' is not a valid string`);
    if (value.includes('\0')) throw new Wrong('NUL characters are not allowed');
    if (value.length > lengthMax)
      throw new Wrong(`'${value.slice(0, 64)}' exceeds maximum length of ${lengthMax}`);
    return value;
  };

export const name = text(255);

export const notEmpty =
  (lengthMax: number): Reader =>
  (value) => {
    const read = text(lengthMax)(value);
    if (String(read).trim() === '')
      throw new Wrong(`'${shownValue(value)}' Blank strings are not permitted`);
    return read;
  };

export const uuid: Reader = (value) => {
  if (typeof value !== 'string' || !uuidPattern.test(value))
    throw new Wrong(`'${shownValue(value)}' is not a valid UUID`);
  return value;
};

export const orNull =
  (reader: Reader): Reader =>
  (value) =>
    value === null ? null : reader(value);

export const flag: Reader = (value) => {
  if (typeof value === 'boolean') return value;
  if (value === 0 || value === 1) return value === 1;
  const word = typeof value === 'string' ? value.toLowerCase() : '';
  if (word === 'true' || word === '1') return true;
  if (word === 'false' || word === '0') return false;
  throw new Wrong(`'${shownValue(value)}' cannot be converted to boolean`);
};

export const whole =
  (min: number, max: number): Reader =>
  (value) => {
    const number = typeof value === 'string' && /^-?\d{1,12}$/.test(value) ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isSafeInteger(number))
      throw new Wrong(`'${shownValue(value)}' is not an integer`);
    if (number < min) throw new Wrong(`'${number}' is too small - must be at least '${min}'`);
    if (number > max) throw new Wrong(`'${number}' is too large - must be no larger than '${max}'`);
    return number;
  };

export const oneOf =
  (
    choices: readonly (string | number)[],
    convert: (value: unknown) => unknown = (value) => value,
  ): Reader =>
  (value) => {
    const converted = convert(value);
    if (choices.includes(converted as string)) return converted;
    const listed = choices.map((choice) => (typeof choice === 'string' ? `'${choice}'` : choice));
    throw new Wrong(`'${shownValue(value)}' is not in [${listed.join(', ')}]`);
  };

export const toNumber = (value: unknown): unknown =>
  typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;

export const ip: Reader = (value) => {
  const canonical = typeof value === 'string' ? canonicalIp(value) : undefined;
  if (canonical === undefined) throw new Wrong(`'${shownValue(value)}' is not a valid IP address`);
  return canonical;
};

export const mac: Reader = (value) => {
  const canonical = typeof value === 'string' ? canonicalMac(value) : undefined;
  if (canonical === undefined || (parseInt(canonical.slice(0, 2), 16) & 1) === 1)
    throw new Wrong(`'${shownValue(value)}' is not a valid MAC address`);
  return canonical;
};

/** A prefix without host bits. */
export const cidr: Reader = (value) => {
  const parsed = typeof value === 'string' ? parseCidr(value) : undefined;
  if (parsed === undefined || !String(value).includes('/'))
    throw new Wrong(`'${shownValue(value)}' is not a valid IP subnet`);
  return renderCidr(parsed);
};

/** An address, or a prefix whose host bits are left as they are: what may be allowed to a port. */
export const ipOrCidr: Reader = (value) => {
  if (typeof value === 'string') {
    const [address = '', length] = value.split('/');
    const parsed = parseIp(address);
    if (parsed !== undefined && parseCidr(value) !== undefined)
      return length === undefined
        ? renderIp(parsed.version, parsed.value)
        : `${renderIp(parsed.version, parsed.value)}/${length}`;
  }
  throw new Wrong(`'${shownValue(value)}' is not a valid IP address or IP subnet`);
};

export const listOf =
  (reader: Reader, countMax: number): Reader =>
  (value) => {
    if (value === null) return [];
    if (!Array.isArray(value)) throw new Wrong(`'${shownValue(value)}' is not a list`);
    if (value.length > countMax) throw new Wrong(`more than ${countMax} values`);
    const read = value.map((one) => reader(one));
    const seen = new Set(read.map((one) => JSON.stringify(one)));
    if (seen.size < read.length)
      throw new Wrong(`Duplicate items in the list: '${shownValue(value)}'`);
    return read;
  };

export interface Member {
  readonly read: Reader;
  readonly required?: boolean;
  readonly default?: unknown;
}

/** An object of these members and no others. */
export const record =
  (members: Readonly<Record<string, Member>>): Reader =>
  (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Wrong(`'${shownValue(value)}' is not a dictionary`);
    const stray = Object.keys(value).filter((key) => !Object.hasOwn(members, key));
    if (stray.length > 0)
      throw new Wrong(`Invalid input. Unexpected keys: ${stray.join(', ').slice(0, 120)}`);
    const read: Record<string, unknown> = {};
    for (const [key, member] of Object.entries(members)) {
      const given: unknown = Reflect.get(value, key);
      if (given !== undefined) read[key] = member.read(given);
      else if (member.required === true) throw new Wrong(`Expected keys not found: '${key}'`);
      else if (member.default !== undefined) read[key] = member.default;
    }
    return read;
  };

export const anyRecord: Reader = (value) => {
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value) || JSON.stringify(value).length > 4_095)
    throw new Wrong(`'${shownValue(value)}' is not a dictionary of at most 4095 bytes`);
  return value;
};

export const dnsName: Reader = (value) => {
  if (value === '') return '';
  const label = /^(?!-)[a-zA-Z0-9_-]{1,63}(?<!-)$/;
  const trimmed = typeof value === 'string' ? value.replace(/\.$/, '') : '';
  if (trimmed.length > 253 || !trimmed.split('.').every((part) => label.test(part)))
    throw new Wrong(
      `'${shownValue(value)}' not a valid PQDN or FQDN. Reason: Name '${shownValue(value)}' must be 1-63 characters long, each of which can only be alphanumeric or a hyphen`,
    );
  return typeof value === 'string' ? value.toLowerCase() : value;
};

export const dnsDomain: Reader = (value) => {
  const read = dnsName(value);
  if (read !== '' && !String(read).endsWith('.'))
    throw new Wrong(`'${shownValue(value)}' is not a FQDN; it must end with a '.'`);
  return read;
};

export const isAddress = (value: string): boolean => isIP(value) !== 0;
