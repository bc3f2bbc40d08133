/** The object that a request names, once symlinks are followed. */

import { isFailure } from '#common';
import { type FollowedObject, followLinks, type StoredObject } from '../objects/index.ts';
import { authorize } from './access.ts';
import { learnRight } from './account-acl.ts';
import { openContainer } from './containers.ts';
import { locationOf } from './object-path.ts';
import { refusal } from './refusal.ts';
import type { ObjectRequest, SwiftServices } from './swift-request.ts';

export async function findObject(
  request: ObjectRequest,
  services: SwiftServices,
): Promise<FollowedObject> {
  const { path, caller, query } = request;
  const container = await openContainer(request, services, path.account, path.container);
  authorize(caller, path.account, container, 'object');
  const stored = await services.objects.objects.get({ container, name: path.object });
  if (stored.info.kind !== 'symlink' || query.get('symlink') === 'get')
    return { stored, at: undefined };
  return await follow(request, services, stored);
}

/** What `stored`, found in the request's account, stands for. */
export async function follow(
  { caller, path }: Pick<ObjectRequest, 'caller' | 'path'>,
  services: SwiftServices,
  stored: StoredObject,
  only: { readonly etag?: string; readonly staticOnly?: boolean } = {},
): Promise<FollowedObject> {
  try {
    return await followLinks(
      {
        service: services.objects,
        mayRead: async (container) => {
          await learnRight(caller, container.account, services);
          authorize(caller, container.account, container, 'object');
        },
        hopsMax: services.swift.symlinkHopsMax,
        ...only,
      },
      stored,
      path.account,
    );
  } catch (error) {
    throw worded(error, services);
  }
}

/** Failures of links in Swift's words. */
function worded(error: unknown, { swift }: SwiftServices): unknown {
  if (!isFailure(error)) return error;
  if (error.code === 'link-too-long')
    return refusal(
      'conflict',
      `Too many levels of symbolic links, maximum allowed is ${swift.symlinkHopsMax}`,
    );
  if (error.code !== 'link-changed') return error;
  const { etag, wanted, account, container, object } = error.facts;
  const headers =
    account === undefined
      ? {}
      : {
          'Content-Location': locationOf({
            account: String(account),
            container: String(container),
            object: String(object),
          }),
        };
  const text = `Object Etag '${etag}' does not match X-Symlink-Target-Etag header '${wanted}'`;
  return refusal('conflict', text, headers);
}
