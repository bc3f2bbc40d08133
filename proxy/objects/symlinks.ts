/**
 * Objects that stand for another one. A symlink is an empty object whose `system` fields name its target; a static one
 * also names the target's ETag, and is broken once that changes.
 */
import { isFailure } from '#common';
import type { Container } from './container-service.ts';
import { objectFailure } from './failures.ts';
import type { Fields } from './fields.ts';
import type { ObjectService, StoredObject } from './object-service.ts';

/** `container/object`. */
export const linkTargetField = 'symlink-target';
/** Only when it is another account than the link's. */
export const linkAccountField = 'symlink-target-account';
/** Of a static link. */
export const linkEtagField = 'symlink-target-etag';
export const linkBytesField = 'symlink-target-bytes';

export interface ObjectPlace {
  readonly account: string;
  readonly container: string;
  readonly object: string;
}

export interface FollowOptions {
  readonly service: ObjectService;
  /** Throws when the caller may not read objects of the container. */
  readonly mayRead: (container: Container) => void | Promise<void>;
  /** Links followed one after another. */
  readonly hopsMax: number;
  /** The ETag that the object at the end must have. */
  readonly etag?: string;
  /** Told of each target before it is looked at. */
  readonly onHop?: (target: ObjectPlace) => void;
  /** Only static links are followed: what they stand for is known. */
  readonly staticOnly?: boolean;
}

export interface FollowedObject {
  readonly stored: StoredObject;
  /** Where the links led; undefined when there were none. */
  readonly at: ObjectPlace | undefined;
}

export const hopsMaxDefault = 2;

/** Where a link leads, seen from its own account. */
export function linkTarget(system: Fields, account: string): ObjectPlace | undefined {
  const target = system[linkTargetField];
  if (target === undefined) return undefined;
  const cut = target.indexOf('/');
  return {
    account: system[linkAccountField] ?? account,
    container: target.slice(0, cut),
    object: target.slice(cut + 1),
  };
}

/** The object that `stored`, found in `account`, stands for: itself, unless it is a symlink. */
export async function followLinks(
  options: FollowOptions,
  stored: StoredObject,
  account: string,
): Promise<FollowedObject> {
  let found = stored;
  let at: ObjectPlace | undefined;
  let wanted = options.etag;
  for (let hops = 0; ; hops++) {
    const { system, etag } = found.info;
    const target = linkTarget(system, at?.account ?? account);
    const linkEtag = system[linkEtagField];
    const ends = target === undefined || (options.staticOnly === true && linkEtag === undefined);
    checkEtag(wanted, ends ? etag : (linkEtag ?? etag), at);
    if (ends) return { stored: found, at };
    if (hops >= options.hopsMax)
      throw objectFailure('link-too-long', 'Too many symlinks lead from one to another', {
        facts: { max: options.hopsMax },
      });
    wanted = linkEtag;
    options.onHop?.(target);
    at = target;
    found = await openTarget(options, target);
  }
}

function checkEtag(wanted: string | undefined, etag: string, at: ObjectPlace | undefined): void {
  if (wanted === undefined || wanted === etag) return;
  throw objectFailure('link-changed', 'The target of a static symlink is another object now', {
    facts: { etag, wanted, ...at },
  });
}

async function openTarget(options: FollowOptions, target: ObjectPlace): Promise<StoredObject> {
  const { containers, objects } = options.service;
  const container = await containers.open(target.account, target.container);
  await options.mayRead(container);
  return await objects.get({ container, name: target.object });
}

/** Whether an error says that a link leads nowhere. */
export function isDangling(error: unknown): boolean {
  return isFailure(error, 'missing');
}
