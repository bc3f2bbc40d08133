/** The report of a request that did many things: text, JSON or XML, as the client accepts. */
import type { Exchange } from '../exchange.ts';
import { bestOf, xmlText } from './listing.ts';

export type ReportFormat = 'text/plain' | 'application/json' | 'application/xml' | 'text/xml';

const offered: readonly ReportFormat[] = [
  'text/plain',
  'application/json',
  'application/xml',
  'text/xml',
];

export function reportFormat(exchange: Exchange): ReportFormat {
  const { accept } = exchange.headers;
  return (accept === undefined ? undefined : bestOf(accept, offered)) ?? 'text/plain';
}

export type ReportFields = Readonly<Record<string, string | number>>;
/** What went wrong: a (percent-encoded) name and a status line. */
export type ReportErrors = readonly (readonly [string, string])[];

export function renderReport(
  format: ReportFormat,
  fields: ReportFields,
  errors: ReportErrors,
  root: 'delete' | 'upload' | 'extract',
): string {
  if (format === 'application/json') return JSON.stringify({ ...fields, Errors: errors });
  const entries = Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));
  if (format === 'text/plain') {
    const lines = entries.map(([name, value]) => `${name}: ${value}\n`).join('');
    return `${lines}Errors:\n${errors.map(([name, status]) => `${name}, ${status}\n`).join('')}`;
  }
  const tag = (name: string) => name.replaceAll(' ', '_').toLowerCase();
  const values = entries.map(
    ([name, value]) => `<${tag(name)}>${xmlText(String(value))}</${tag(name)}>\n`,
  );
  const failed = errors.map(
    ([name, status]) =>
      `<object><name>${xmlText(name)}</name><status>${xmlText(status)}</status></object>\n`,
  );
  return `<${root}>\n${values.join('')}<errors>\n${failed.join('')}</errors>\n</${root}>\n`;
}
