/** Storage classes: names for storage policies, as the settings map them. Everything is in the container's policy where `proxy.classPolicies` says nothing. */

import type { Fields } from '../objects/index.ts';
import { storageClassField } from '../objects/index.ts';
import { S3Failure } from './s3-failure.ts';
import type { S3Settings } from './settings.ts';

export const standardClass = 'STANDARD';

/** The classes that may be asked for. */
export function knownClasses(settings: Pick<S3Settings, 'storageClasses'>): readonly string[] {
  return settings.storageClasses.split(',').map((word) => word.trim());
}

export function checkStorageClass(
  name: string,
  settings: Pick<S3Settings, 'storageClasses'>,
): void {
  if (name !== standardClass && !knownClasses(settings).includes(name))
    throw new S3Failure('InvalidStorageClass', { details: { StorageClassRequested: name } });
}

/** The field that is kept; nothing for the standard class. */
export function storageClassFields(
  name: string | undefined,
  settings: Pick<S3Settings, 'storageClasses'>,
): Fields {
  if (name === undefined) return {};
  checkStorageClass(name, settings);
  return name === standardClass ? {} : { [storageClassField]: name };
}

export function storageClassOf(system: Fields): string {
  return system[storageClassField] ?? standardClass;
}
