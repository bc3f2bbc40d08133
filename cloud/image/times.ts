/** Times on the wire: UTC in whole seconds, as Glance writes them. */

export const isoTime = (us: number): string =>
  `${new Date(Math.floor(us / 1000)).toISOString().slice(0, 19)}Z`;

/** Microseconds of an ISO 8601 time, UTC unless it says otherwise; nothing when it is none. */
export function parseIsoTime(text: string): number | undefined {
  const match =
    /^(\d{4})-?(\d\d)-?(\d\d)(?:[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,6})\d*)?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/.exec(
      text,
    );
  if (match === null) return undefined;
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = ''] = match;
  const zone = zoneOf(match[8] ?? 'Z');
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone}`);
  return Number.isNaN(ms) ? undefined : ms * 1000 + Number(fraction.padEnd(6, '0'));
}

function zoneOf(text: string): string {
  if (text === 'Z') return text;
  const digits = text.slice(1).replace(':', '').padEnd(4, '0');
  return `${text[0]}${digits.slice(0, 2)}:${digits.slice(2)}`;
}
