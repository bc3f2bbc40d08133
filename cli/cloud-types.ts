/** What a running cloud tells about itself; printed by `up --json`, `status --json` and the rest, so names are kept stable. */

import type { DeviceState } from '#wire';
import type { RingProgress } from './machines/ring-change.ts';

/** Where each service listens; printed names are part of the command line's contract. */
export interface Endpoints {
  readonly s3: string;
  readonly swift_auth_v1: string;
  readonly swift: string;
  readonly identity: string;
  readonly image: string;
  /** One address for everything: /identity, /image, /volume, /network, /compute, /object-store, /s3 and so on. */
  readonly api: string;
  readonly volume: string;
  readonly network: string;
  readonly compute: string;
  readonly key_manager: string;
  readonly placement: string;
  readonly nbd: string;
  readonly metrics: string;
  readonly health: string;
}

export interface CloudInfo {
  readonly endpoints: Endpoints;
  readonly admin: { username: string; password: string; project: string; domain: string };
  readonly s3: { access_key: string; secret_key: string };
  readonly data: string;
  readonly pid: number;
  /** The certificate authority that clients must trust, where the APIs speak TLS. */
  readonly ca?: string;
}

export interface DeviceLine {
  readonly name: string;
  readonly zone: number;
  readonly state: DeviceState;
  readonly usedBytes: number;
  readonly freeBytes: number;
  readonly rows: number;
  readonly blobs: number;
  readonly quarantined: number;
  /** It was put in place empty: ring partitions compared and refilled so far, of all. */
  readonly refilled?: { readonly done: number; readonly partitions: number };
  /** Why it could not be asked. */
  readonly error?: string;
}

/** How whole the copies are. */
export interface CopiesLine {
  /** Since the last comparison began that found everybody at home; undefined before the first. */
  readonly comparedSecondsAgo: number | undefined;
  readonly copiedRows: number;
  readonly copiedBlobs: number;
  readonly copiedBytes: number;
  readonly handedBack: number;
  readonly healed: number;
  readonly scrubbedBytes: number;
  /** Of erasure-coded blobs. */
  readonly fragments: {
    readonly lookedSecondsAgo: number | undefined;
    /** Blobs in fragments. */
    readonly stripes: number;
    readonly lacking: number;
    readonly rebuilt: number;
  };
  /** The search for what no row refers to. */
  readonly reclaim: {
    readonly searchedSecondsAgo: number | undefined;
    readonly mode: 'on' | 'report' | 'off';
    readonly suspects: number;
    /** Nothing refers to them, and they are still there: `report` mode, or something stands in the way. */
    readonly due: number;
    readonly freedBlobs: number;
    readonly freedBytes: number;
    readonly forgottenRows: number;
    /** Why the last search freed nothing. */
    readonly blocked?: string;
  };
  /** Without any good copy. */
  readonly irreparable: readonly {
    readonly what: string;
    readonly name: string;
    readonly device: string;
    readonly reason: string;
  }[];
}

/** What a machine has not and servers need. */
export interface Lack {
  readonly what: string;
  readonly reason: string;
  readonly advice: string;
  /** It comes by itself. */
  readonly coming: boolean;
}

export interface CloudStatus {
  readonly healthy: boolean;
  readonly problems: readonly string[];
  readonly uptimeSeconds: number;
  readonly pid: number;
  readonly version: string;
  readonly devices: readonly DeviceLine[];
  readonly copies: CopiesLine;
  readonly ring: RingProgress;
  readonly lacks: readonly Lack[];
  readonly endpoints: Endpoints;
}

export interface NetworkStatus {
  readonly state: 'ready' | 'starting' | 'off' | 'missing';
  readonly reason?: string;
  /** What to do about it. */
  readonly advice?: string;
  readonly drift?: {
    readonly in_sync: boolean;
    readonly mended: number;
    readonly last_mended_at: string | null;
    readonly restarts: number;
    readonly last_error: string | null;
    /** What OVN will not have; all else is there. */
    readonly set_aside: readonly {
      readonly type: string;
      readonly id: string;
      readonly reason: string;
    }[];
  };
}

/** What `pileus host add` writes: a settings file, and what lies in its folder of secrets. */
export interface HostAdded {
  readonly config: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, string>>;
}

export interface HostLine {
  readonly name: string;
  readonly tunnel: string;
  readonly joined: boolean;
  readonly since: string | null;
}
