/** Finds a version of an object by its id, and changes its fields. */
import type { RowValue, StoredRow } from '#cluster';
import type { ObjectContext } from '../context.ts';
import { objectFailure } from '../failures.ts';
import type { ObjectRef } from '../object-service.ts';
import { objectRef, versionRef } from '../rows/tables.ts';
import { isCurrent, orderOfId } from './delete-version.ts';
import {
  getArchived,
  getCurrent,
  newestArchived,
  sameVersion,
  type VersionRow,
} from './version-rows.ts';

export interface VersionedRef extends ObjectRef {
  readonly versionId: string;
}

const attemptsMax = 5;

/** The version with its body; fails `version-missing`, or `delete-marker`. */
export async function findVersion(context: ObjectContext, ref: VersionedRef): Promise<VersionRow> {
  let current = await getCurrent(context, ref, { body: true });
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    if (current !== undefined && isCurrent(current, ref.versionId)) return current;
    const order = await orderOfId(context, ref, ref.versionId, current);
    const archived = order === undefined ? undefined : await getArchived(context, ref, order);
    if (archived?.version.kind === 'object') return archived;
    if (archived?.version.kind === 'marker') throw isMarker(ref, archived);
    // Neither here nor there: it may have moved between the two looks.
    const again = await getCurrent(context, ref, { body: true });
    if (sameVersion(again?.stored.version, current?.stored.version)) break;
    current = again;
  }
  throw versionMissing(ref);
}

export function versionMissing(ref: VersionedRef): Error {
  return objectFailure('version-missing', 'There is no such version', {
    facts: { object: ref.name, version: ref.versionId },
  });
}

function isMarker(ref: VersionedRef, marker: VersionRow): Error {
  return objectFailure('delete-marker', 'The version is a delete marker', {
    facts: {
      object: ref.name,
      versionId: marker.info.versionId,
      deleteMarker: true,
      modifiedUs: marker.info.modifiedUs,
    },
  });
}

/** The failure for an object that is not there, with the delete marker that hides it, if one does. */
export async function hiddenBy(context: ObjectContext, ref: ObjectRef): Promise<Error> {
  const newest = await newestArchived(context, ref);
  const marker = newest?.version.kind === 'marker';
  return objectFailure('object-missing', 'There is no such object', {
    facts: {
      container: ref.container.name,
      object: ref.name,
      ...(marker ? { deleteMarker: true, versionId: newest.info.versionId } : {}),
    },
  });
}

/** `decide` sees the version's row with its body; it may run again. */
export async function changeVersion(
  context: ObjectContext,
  ref: VersionedRef,
  decide: (present: StoredRow) => RowValue,
): Promise<void> {
  const here = objectRef(ref.container, ref.name);
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const found = await findVersion(context, ref);
    const { order } = found.version;
    const isTop = found.stored.sort === ref.name;
    const at = isTop ? here : versionRef(ref.container, ref.name, order);
    let done = false;
    await context.tables.update(
      at,
      (present) => {
        done = present !== undefined && toKeep(found, present);
        return done && present !== undefined ? decide(present) : 'keep';
      },
      { body: true },
    );
    if (!done) continue;
    if (isTop) return;
    const current = await getCurrent(context, ref, { body: false });
    if (!isCurrent(current, ref.versionId)) return;
  }
  throw objectFailure('version-contended', 'Too many write to this object at once', {
    facts: { object: ref.name },
  });
}

function toKeep(found: VersionRow, present: StoredRow): boolean {
  return sameVersion(present.version, found.stored.version);
}
