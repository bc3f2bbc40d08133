/** `?version-id=`: which version of an object a request is about, and how answers tell versions. */
import { isFailure } from '#common';
import { type Container, type ObjectInfo, versioningOf } from '../objects/index.ts';
import { authorize } from './access.ts';
import { page, RenderedFailure, refusal } from './refusal.ts';
import type { HeaderMap } from './send-object.ts';
import type { ObjectRequest } from './swift-request.ts';
import { encodePercent } from './text.ts';

export const deleteMarkerType = 'application/x-deleted;swift_versions_deleted=1';

const idForm = /^(?:null|[0-9a-f]{32})$/;

/** The version that the request names; undefined for the current one. */
export function readVersionId(
  { query, caller, path }: ObjectRequest,
  container: Container,
  need: 'look' | 'container',
): string | undefined {
  const id = query.get('version-id');
  if (id === undefined) return undefined;
  if (versioningOf(container) === 'off' && id !== 'null')
    throw refusal(
      'bad-request',
      'version-aware operations require that the container is versioned',
      html,
    );
  if (!idForm.test(id)) throw refusal('bad-request', 'Invalid version parameter', html);
  // ACLs of a container are for what it holds now; its past is its account's.
  if (id !== 'null') authorize(caller, path.account, undefined, need);
  return id;
}

export const html = { 'Content-Type': 'text/html; charset=UTF-8' };

/** Metadata belongs to the current version alone. */
export function refuseVersion({ query, exchange }: ObjectRequest): void {
  if (query.has('version-id'))
    throw refusal('bad-request', `${exchange.method} to a specific version is not allowed`, html);
}

/** What answers of containers that keep (or kept) versions say besides. */
export function writeVersion(
  headers: HeaderMap,
  { path, query }: ObjectRequest,
  container: Container,
  { versionId = 'null' }: ObjectInfo,
): void {
  if (versioningOf(container) === 'off' && !query.has('version-id')) return;
  headers['X-Object-Version-Id'] = versionId;
  // When the current one is to go says nothing of the version.
  if (versionId !== 'null' && query.has('version-id')) delete headers['X-Delete-At'];
  if (versionId === 'null' || query.has('version-id')) return;
  const place = `/v1/${encodePercent(`${path.account}/${path.container}/${path.object}`)}`;
  headers['Content-Location'] ??= `${place}?version-id=${versionId}`;
}

/** A version that is a deletion: it is not there, and the answer says why. */
export function asDeleteMarker(error: unknown, versionId: string | undefined): unknown {
  if (!isFailure(error) || error.code !== 'delete-marker' || versionId === undefined) return error;
  const headers = { 'X-Object-Version-Id': versionId, 'Content-Type': deleteMarkerType };
  return new RenderedFailure(error, page(404, headers));
}
