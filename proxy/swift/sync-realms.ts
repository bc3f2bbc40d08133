/** Container sync: the clusters that trust each other with a key per realm, and where a container may be synced to. Pure. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { refusal } from './refusal.ts';
import type { SwiftSettings } from './settings.ts';

type SyncSettings = Pick<SwiftSettings, 'syncRealms' | 'syncCluster'>;

export interface SyncRealms {
  key(realm: string): string | undefined;
  /** The URL of a cluster, without a slash at its end. */
  endpoint(realm: string, cluster: string): string | undefined;
}

/** `REALM=KEY` and `REALM/CLUSTER=URL`, by blanks. */
export function parseRealms({ syncRealms }: SyncSettings): SyncRealms {
  const values = new Map<string, string>();
  for (const word of syncRealms.split(/\s+/)) {
    const cut = word.indexOf('=');
    if (cut > 0) values.set(word.slice(0, cut).toLowerCase(), word.slice(cut + 1));
  }
  return {
    key: (realm) => values.get(realm.toLowerCase()),
    endpoint: (realm, cluster) =>
      values.get(`${realm}/${cluster}`.toLowerCase())?.replace(/\/+$/, ''),
  };
}

/** A container elsewhere, with what proves to its cluster who writes into it. */
export interface SyncTarget {
  readonly realm: string;
  /** `/v1/account/container` there. */
  readonly path: string;
  readonly url: string;
}

/** `//realm/cluster/account/container`. */
export function parseSyncTo(value: string, settings: SyncSettings): SyncTarget | string {
  const [, realm, cluster, account, container] =
    /^\/\/([^/]+)\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(value.trim()) ?? [];
  if (!realm || !cluster || !account || !container)
    return `Invalid X-Container-Sync-To format ${JSON.stringify(value)}`;
  const realms = parseRealms(settings);
  if (realms.key(realm) === undefined) return `No realm key for ${JSON.stringify(realm)}`;
  const endpoint = realms.endpoint(realm, cluster);
  if (endpoint === undefined)
    return `No cluster endpoint for ${JSON.stringify(realm)} ${JSON.stringify(cluster)}`;
  const place = `${account}/${container}`;
  const { pathname } = new URL(endpoint);
  return { realm, path: `${pathname.replace(/\/+$/, '')}/${place}`, url: `${endpoint}/${place}` };
}

/** The value as a container keeps it; refuses what no cluster of ours stands for. */
export function checkSyncTo(value: string, settings: SyncSettings): string {
  if (value === '') return '';
  const target = parseSyncTo(value, settings);
  if (typeof target === 'string') throw refusal('bad-request', target);
  return value.trim();
}

export interface SyncSigned {
  readonly method: string;
  /** Decoded. */
  readonly path: string;
  readonly timestamp: string;
  readonly nonce: string;
  readonly realmKey: string;
  readonly userKey: string;
}

export function syncSignature(signed: SyncSigned): string {
  const { method, path, timestamp, nonce, realmKey, userKey } = signed;
  const text = [method, path, timestamp, nonce, userKey].join('\n');
  return createHmac('sha1', realmKey).update(text).digest('hex');
}

export function isSameText(a: string, b: string): boolean {
  const [first, second] = [Buffer.from(a), Buffer.from(b)];
  return first.length === second.length && timingSafeEqual(first, second);
}
