/** Times on the wire: UTC with six digits after the second, as Keystone writes them. */

export function isoTime(us: number): string {
  const whole = new Date(Math.floor(us / 1000)).toISOString();
  const digits = String(Math.floor(us) % 1_000_000).padStart(6, '0');
  return `${whole.slice(0, 19)}.${digits}Z`;
}

/** Microseconds of an ISO 8601 time in UTC; nothing when it is none. */
export function parseIsoTime(text: string): number | undefined {
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:Z|\+00:?00)?$/.exec(text);
  if (match === null) return undefined;
  const ms = Date.parse(`${match[1]}T${match[2]}Z`);
  if (Number.isNaN(ms)) return undefined;
  return ms * 1000 + Number((match[3] ?? '').padEnd(6, '0'));
}
