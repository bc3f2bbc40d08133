/** Between HTTP's bytes (one character each) and text: percent-encoding, UTF-8, header names, times. */
import { Buffer, isUtf8 } from 'node:buffer';

// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what plain means here.
const plainPath = /^[\x01-\x24\x26-\x7f]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: bytes beyond ASCII and the rest.
const ascii = /^[\x00-\x7f]*$/;

/** Percent-decodes as Python's `unquote` does (what is no escape stays); undefined when it is no UTF-8 or has a NUL. */
export function decodePercent(encoded: string): string | undefined {
  if (plainPath.test(encoded)) return encoded;
  const bytes = Buffer.allocUnsafe(encoded.length);
  let length = 0;
  for (let at = 0; at < encoded.length; at++) {
    const unit = encoded.charCodeAt(at);
    if (unit === 0x25) {
      const high = hexOf(encoded.charCodeAt(at + 1));
      const low = hexOf(encoded.charCodeAt(at + 2));
      if (high >= 0 && low >= 0) {
        bytes[length++] = high * 16 + low;
        at += 2;
        continue;
      }
    }
    bytes[length++] = unit & 0xff;
  }
  const decoded = bytes.subarray(0, length);
  if (decoded.includes(0) || !isUtf8(decoded)) return undefined;
  return decoded.toString('utf8');
}

function hexOf(unit: number): number {
  if (unit >= 0x30 && unit <= 0x39) return unit - 0x30;
  const lower = unit | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** Percent-encodes as Swift's `quote`: everything but letters, digits and `_.-~/`. */
export function encodePercent(text: string): string {
  return encodeURIComponent(text)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A header value as text; undefined when it is not UTF-8. */
export function fromHeader(value: string): string | undefined {
  if (ascii.test(value)) return value;
  const bytes = Buffer.from(value, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

/** Text as a header value. */
export function toHeader(text: string): string {
  return ascii.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}

const titles = new Map<string, string>();
const titlesMax = 10_000;

/** `x-object-meta-colour` → `X-Object-Meta-Colour`. */
export function titleCase(name: string): string {
  let title = titles.get(name);
  if (title === undefined) {
    title = name.replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => {
      return dash + letter.toUpperCase();
    });
    if (titles.size >= titlesMax) titles.clear();
    titles.set(name, title);
  }
  return title;
}

let lastSecond = -1;
let lastDate = '';

/** `Last-Modified` of an instant: rounded up, so that nothing seems older than it is. */
export function httpDate(timeUs: number): string {
  const second = Math.ceil(timeUs / 1_000_000);
  if (second !== lastSecond) {
    lastDate = new Date(second * 1000).toUTCString();
    lastSecond = second;
  }
  return lastDate;
}

/** `1700000000.12345`. */
export function timestamp(timeUs: number): string {
  const whole = Math.floor(timeUs / 1_000_000);
  const rest = Math.floor((timeUs % 1_000_000) / 10);
  return `${whole}.${String(rest).padStart(5, '0')}`;
}

const twoDigits = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, '0'));
let lastDay = -1;
let lastDayText = '';

/** `2023-11-14T22:13:20.123450`, as in listings: only the day needs a calendar, and a page has few of them. */
export function isoTime(timeUs: number): string {
  const second = Math.floor(timeUs / 1_000_000);
  const day = Math.floor(second / 86_400);
  if (day !== lastDay) {
    lastDayText = new Date(day * 86_400_000).toISOString().slice(0, 11);
    lastDay = day;
  }
  const inDay = second - day * 86_400;
  const rest = Math.floor((timeUs - second * 1_000_000) / 10);
  const hours = twoDigits[Math.floor(inDay / 3600)];
  const minutes = twoDigits[Math.floor(inDay / 60) % 60];
  const fraction = `${twoDigits[Math.floor(rest / 1000)]}${twoDigits[Math.floor(rest / 10) % 100]}${rest % 10}0`;
  return `${lastDayText}${hours}:${minutes}:${twoDigits[inDay % 60]}.${fraction}`;
}

export function isTrue(value: string | undefined): boolean {
  return value !== undefined && ['true', '1', 'yes', 'on', 't', 'y'].includes(value.toLowerCase());
}

// Needs no escape: JSON is sent in ASCII, as Swift does.
const plainJson = /^[ !#-[\]-~]*$/;

/** A JSON string in ASCII. */
export function jsonText(text: string): string {
  if (plainJson.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
