/** Whether a conditional write may go ahead, given what is there. Pure. */
import { objectFailure } from './failures.ts';
import type { ObjectInfo, WriteConditions } from './object-service.ts';

function listed(etags: readonly string[], etag: string): boolean {
  return etags.some((candidate) => candidate === '*' || candidate.toLowerCase() === etag);
}

/** The ETag a client knows an object by: a static large object is known by that of its segments. */
export function publicEtag(info: ObjectInfo): string {
  return (info.kind === 'slo' ? info.system['slo-etag'] : undefined) ?? info.etag;
}

function conditionFailed(condition: string): Error {
  return objectFailure('condition-failed', 'The object is not in the state that was asked for', {
    facts: { condition },
  });
}

/** Throws `condition-failed`, or `object-missing` for an If-Match on nothing. */
export function checkConditions(
  conditions: WriteConditions,
  present: ObjectInfo | undefined,
): void {
  const { ifMatch, ifNoneMatch, ifUnmodifiedSinceS } = conditions;
  if (ifMatch !== undefined && present === undefined)
    throw objectFailure('object-missing', 'There is no object to match', {
      facts: { condition: 'if-match' },
    });
  if (present === undefined) return;
  const etag = publicEtag(present);
  if (ifMatch !== undefined && !listed(ifMatch, etag)) throw conditionFailed('if-match');
  if (ifNoneMatch !== undefined && listed(ifNoneMatch, etag))
    throw conditionFailed('if-none-match');
  if (
    ifUnmodifiedSinceS !== undefined &&
    Math.floor(present.modifiedUs / 1_000_000) > ifUnmodifiedSinceS
  )
    throw conditionFailed('if-unmodified-since');
  checkFacts(conditions, present);
}

function checkFacts({ ifSize, ifModifiedAtS }: WriteConditions, present: ObjectInfo): void {
  const sameSize = ifSize === undefined || ifSize === present.size;
  const sameTime =
    ifModifiedAtS === undefined || Math.floor(present.modifiedUs / 1_000_000) === ifModifiedAtS;
  if (!sameSize || !sameTime) throw conditionFailed(sameSize ? 'if-modified-at' : 'if-size');
}

/** Of a deletion: what is not there cannot fail it, and behind a marker there is only a name to match. */
export function checkDeletion(
  conditions: WriteConditions,
  present: ObjectInfo | undefined,
  hasMarker: boolean,
): void {
  if (present !== undefined) checkConditions(conditions, present);
  else if (hasMarker && conditions.ifMatch?.includes('*') !== true)
    throw conditionFailed('if-match');
}
