/** The three ways a request says when it was signed, as milliseconds since 1970. */

const basicIso = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

let lastText = '';
let lastMs: number | undefined;

/** `20150830T123600Z`; undefined when it is not such a time. Requests of one second say the same, so the last one is remembered. */
export function parseAmzDate(text: string): number | undefined {
  if (text !== lastText) {
    lastMs = parseBasic(text);
    lastText = text;
  }
  return lastMs;
}

function parseBasic(text: string): number | undefined {
  const match = basicIso.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? undefined : ms;
}

/** `2015-08-30T12:36:00.000Z` of a time. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** `20150830T123600Z` of a time. */
export function amzDateOf(ms: number): string {
  return isoTime(ms).replace(/[-:]|\.\d+/g, '');
}

/** An HTTP date (RFC 9110 §5.6.7, all three forms are understood); undefined when it is none. */
export function parseHttpDate(text: string): number | undefined {
  if (!/^[A-Za-z]{3,9},? /.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
