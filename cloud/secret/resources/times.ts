/** Times as clients write them. */
import { invalid } from '../failures.ts';

const isoTime =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/;

/** Microseconds since 1970 of an ISO time, in UTC unless it says otherwise; undefined for anything else. */
export function parseTime(text: string): number | undefined {
  const found = isoTime.exec(text);
  if (found === null) return undefined;
  const [, day = '', minutes = '00:00', seconds = ':00', zone = 'Z'] = found;
  const offset =
    zone === 'Z' ? 'Z' : `${zone.slice(0, 3)}:${zone.slice(3).replace(':', '') || '00'}`;
  const ms = Date.parse(`${day}T${minutes}${seconds}${offset}`);
  return Number.isNaN(ms) ? undefined : ms * 1000;
}

/** When a new secret is to expire; null for never. */
export function expirationOf(given: string | null | undefined, nowUs: number): number | null {
  const text = given?.trim() ?? '';
  if (text === '') return null;
  const refuse = (why: string) =>
    invalid(
      `Provided object does not match schema 'Secret': ${why}. Invalid property: 'expiration'`,
    );
  const at = parseTime(text);
  if (at === undefined) throw refuse("Invalid date for 'expiration'");
  if (at <= nowUs) throw refuse("'expiration' is before current time");
  return at;
}
