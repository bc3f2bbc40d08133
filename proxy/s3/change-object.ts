/** Changes an object's own fields and nothing else: tags, access list, lock. Its time of modification stays. */
import type { Container, ObjectInfo } from '../objects/index.ts';
import { withChanges } from './config/bucket-document.ts';
import type { S3Services } from './context.ts';
import type { Wanted } from './find-object.ts';

export interface ChangeTarget {
  readonly container: Container;
  readonly wanted: Wanted;
}

/** `change` may run again, and may throw to refuse. */
export async function changeObject(
  services: S3Services,
  { container, wanted }: ChangeTarget,
  change: (present: ObjectInfo) => Readonly<Record<string, string | undefined>>,
): Promise<ObjectInfo> {
  const { key, versionId } = wanted;
  return await services.objects.objects.update(
    { container, name: key },
    (present) => ({ ...present, system: withChanges(present.system, change(present)) }),
    { keepModified: true, ...(versionId === undefined ? {} : { versionId }) },
  );
}
