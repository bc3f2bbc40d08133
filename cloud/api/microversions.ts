/**
 * Microversions (OpenStack API-WG "Microversion Specification"): one API, whose routes and answers differ a little from version to
 * version; the client names the one it was written for, or gets the oldest.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { commonFailure } from './failures.ts';

export interface Microversions {
  /** The service's name in `OpenStack-API-Version: compute 2.53`. */
  readonly service: string;
  readonly min: string;
  readonly max: string;
  /** Names that older clients use, such as `X-OpenStack-Nova-API-Version`. */
  readonly olderHeaders?: readonly string[];
}

/** Which versions have a route; both ends included. */
export interface VersionRange {
  readonly from?: string;
  readonly until?: string;
}

export const versionHeader = 'OpenStack-API-Version';

const pattern = /^([1-9]\d{0,3})\.(0|[1-9]\d{0,3})$/;

/** Negative, zero, positive, as `a` is older, the same, newer. */
export function compareVersions(a: string, b: string): number {
  const [aMajor = 0, aMinor = 0] = a.split('.').map(Number);
  const [bMajor = 0, bMinor = 0] = b.split('.').map(Number);
  return aMajor - bMajor || aMinor - bMinor;
}

export function isWithin(version: string, range: VersionRange | undefined): boolean {
  const { from, until } = range ?? {};
  return (
    (from === undefined || compareVersions(version, from) >= 0) &&
    (until === undefined || compareVersions(version, until) <= 0)
  );
}

/** The version this request is for; fails `version-malformed` (400) or `version-unacceptable` (406). */
export function negotiate(versions: Microversions, headers: IncomingHttpHeaders): string {
  const asked = askedOf(versions, headers);
  if (asked === undefined) return versions.min;
  if (asked === 'latest') return versions.max;
  if (!pattern.test(asked)) throw commonFailure('version-malformed', { version: asked });
  if (isWithin(asked, { from: versions.min, until: versions.max })) return asked;
  const { min, max } = versions;
  throw commonFailure('version-unacceptable', { version: asked, min, max });
}

function askedOf(versions: Microversions, headers: IncomingHttpHeaders): string | undefined {
  const value = headers[versionHeader.toLowerCase()];
  // One header may speak to several services: `compute 2.53, volume 3.59`.
  for (const part of typeof value === 'string' ? value.split(',') : []) {
    const [service, version, ...rest] = part.trim().split(/\s+/);
    if (service?.toLowerCase() === versions.service && version !== undefined && rest.length === 0)
      return version.toLowerCase();
  }
  for (const name of versions.olderHeaders ?? []) {
    const older = headers[name.toLowerCase()];
    if (typeof older === 'string') return older.trim().toLowerCase();
  }
  return undefined;
}

/** What every answer says about the version it is of. */
export function versionHeaders(
  versions: Microversions,
  version: string | undefined,
): Record<string, string> {
  const older = versions.olderHeaders ?? [];
  const vary = { Vary: [versionHeader, ...older].join(', ') };
  if (version === undefined) return vary;
  return {
    ...vary,
    [versionHeader]: `${versions.service} ${version}`,
    ...Object.fromEntries(older.map((name) => [name, version])),
  };
}

export interface VersionEntry {
  /** `v2.1`. */
  readonly id: string;
  readonly status: 'CURRENT' | 'SUPPORTED' | 'DEPRECATED';
  /** `/v2.1/`. */
  readonly path: string;
  readonly updated: string;
  readonly microversions?: Microversions;
  readonly mediaTypes?: readonly { readonly base: string; readonly type: string }[];
}

/** One version in a discovery document, as nova, cinder and placement write it. */
export function versionDocument(request: { readonly baseUrl: string }, entry: VersionEntry) {
  const { id, status, updated, microversions, mediaTypes } = entry;
  return {
    id,
    status,
    version: microversions?.max ?? '',
    min_version: microversions?.min ?? '',
    updated,
    links: [{ rel: 'self', href: `${request.baseUrl}${entry.path}` }],
    ...(mediaTypes === undefined ? {} : { 'media-types': mediaTypes }),
  };
}
