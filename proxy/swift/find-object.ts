/** The object that a request names, once symlinks are followed. */

import { type Failure, isFailure } from '#common';
import {
  type Container,
  type FollowedObject,
  followLinks,
  type ObjectPlace,
  type StoredObject,
} from '../objects/index.ts';
import { authorize } from './access.ts';
import { learnRight } from './account-acl.ts';
import { openContainer } from './containers.ts';
import { locationOf } from './object-path.ts';
import { RenderedFailure, refusal, renderFailure } from './refusal.ts';
import type { ObjectRequest, SwiftServices } from './swift-request.ts';
import { asDeleteMarker, readVersionId } from './version-id.ts';

export interface FoundObject extends FollowedObject {
  /** Of the object that was asked for. */
  readonly container: Container;
}

export async function findObject(
  request: ObjectRequest,
  services: SwiftServices,
): Promise<FoundObject> {
  const { path, caller, query } = request;
  const container = await openContainer(request, services, path.account, path.container);
  authorize(caller, path.account, container, 'object');
  const stored = await getVersion(request, services, container);
  if (stored.info.kind !== 'symlink' || query.get('symlink') === 'get')
    return { stored, at: undefined, container };
  return { ...(await follow(request, services, stored)), container };
}

async function getVersion(
  request: ObjectRequest,
  { objects }: SwiftServices,
  container: Container,
): Promise<StoredObject> {
  const ref = { container, name: request.path.object };
  const versionId = readVersionId(request, container, 'look');
  if (versionId === undefined) return await objects.objects.get(ref);
  try {
    return await objects.objects.get(ref, { versionId });
  } catch (error) {
    throw asDeleteMarker(error, versionId);
  }
}

/** What `stored`, found in the request's account, stands for. Failures tell where the links led. */
export async function follow(
  { caller, path }: Pick<ObjectRequest, 'caller' | 'path'>,
  services: SwiftServices,
  stored: StoredObject,
  only: { readonly etag?: string; readonly staticOnly?: boolean; readonly from?: ObjectPlace } = {},
): Promise<FollowedObject> {
  let last = only.from;
  try {
    return await followLinks(
      {
        service: services.objects,
        mayRead: async (container) => {
          await learnRight(caller, container.account, services);
          authorize(caller, container.account, container, 'object');
        },
        hopsMax: services.swift.symlinkHopsMax,
        onHop: (target) => {
          last = target;
        },
        ...only,
      },
      stored,
      path.account,
    );
  } catch (error) {
    if (!isFailure(error) || last === undefined) throw error;
    const reply = renderFailure(worded(error, services));
    if (reply.status === 500) throw error;
    const headers = { ...reply.headers, 'Content-Location': locationOf(last) };
    throw new RenderedFailure(error, { ...reply, headers });
  }
}

/** Failures of links in Swift's words. */
function worded(error: Failure, { swift }: SwiftServices): Failure {
  const { etag, wanted } = error.facts;
  if (error.code === 'link-too-long')
    return refusal(
      'conflict',
      `Too many levels of symbolic links, maximum allowed is ${swift.symlinkHopsMax}`,
    );
  if (error.code !== 'link-changed') return error;
  const text = `Object Etag '${etag}' does not match X-Symlink-Target-Etag header '${wanted}'`;
  return refusal('conflict', text);
}
