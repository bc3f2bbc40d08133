/** The legacy kind of versioning as containers say it: `X-Versions-Location` (a stack) or `X-History-Location`. */
import type { Exchange } from '../exchange.ts';
import type { Container, Fields } from '../objects/index.ts';
import { refusal } from './refusal.ts';
import { headerOf, type SwiftServices } from './swift-request.ts';
import { decodePercent, fromHeader, toHeader } from './text.ts';

export const locationField = 'versions-location';
export const modeField = 'versions-mode';
export const versioningFields = [locationField, modeField] as const;
export const locationHeaders = ['x-versions-location', 'x-history-location'] as const;

export type LocationMode = 'stack' | 'history';

/** The fields to have, none for its removal; undefined when the request does not speak of it. */
export function readVersionsLocation(
  exchange: Exchange,
  services: SwiftServices,
): Fields | undefined {
  const stack = headerOf(exchange, 'x-versions-location');
  const history = headerOf(exchange, 'x-history-location');
  if (stack && history)
    throw refusal(
      'bad-request',
      'Only one of x-versions-location or x-history-location may be specified',
    );
  const value = stack || history;
  if (value) {
    if (!services.offers.has('versioned-writes'))
      throw refusal('precondition-failed', 'Versioned Writes is disabled');
    const text = fromHeader(value) ?? '';
    if (text.includes('/'))
      throw refusal('precondition-failed', 'Container name cannot contain slashes');
    return { [locationField]: text, [modeField]: stack ? 'stack' : 'history' };
  }
  const removed = locationHeaders.some((header) =>
    headerOf(exchange, header.replace('x-', 'x-remove-')),
  );
  return removed || stack !== undefined || history !== undefined ? {} : undefined;
}

/** Where the container's older versions go; undefined when it keeps none that way. */
export function versionsLocation({
  system,
}: Container): { readonly container: string; readonly mode: LocationMode } | undefined {
  const location = system[locationField];
  if (location === undefined) return undefined;
  const container = (decodePercent(toHeader(location)) ?? location).split('/')[0] ?? '';
  return { container, mode: system[modeField] === 'history' ? 'history' : 'stack' };
}

export function writeLocation(
  headers: Record<string, string | number>,
  { system }: Container,
): void {
  const location = system[locationField];
  if (location === undefined) return;
  const header = system[modeField] === 'history' ? 'X-History-Location' : 'X-Versions-Location';
  headers[header] = toHeader(location);
}
