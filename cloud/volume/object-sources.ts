/** Objects that volumes are made of: found as the caller would read them, and only with the bytes of a disk in them. */

import { isFailure } from '#common';
import { callerOf, type Request } from './caller.ts';
import type { VolumeCore } from './core.ts';
import type { ObjectSource } from './engine.ts';
import { volumeFailure } from './failures.ts';

/** In scheduler hints: the URL of an object of this cloud, or `swift://CONTAINER/OBJECT`, `s3://BUCKET/KEY`. */
export const fromObjectName = 'pileus:from-object';

/** How the files of images begin that a guest could not read as its disk. */
const marks: readonly (readonly [format: string, at: number, mark: string])[] = [
  ['qcow2', 0, 'QFI\xfb'],
  ['vmdk', 0, 'KDMV'],
  ['vhdx', 0, 'vhdxfile'],
  ['vhd', 0, 'conectix'],
  ['qed', 0, 'QED\0'],
  ['vdi', 64, '\x7f\x10\xda\xbe'],
  ['gzip', 0, '\x1f\x8b'],
  ['xz', 0, '\xfd7zXZ'],
  ['zstd', 0, '\x28\xb5\x2f\xfd'],
];

export async function findObject(
  core: VolumeCore,
  request: Request,
  uri: string,
): Promise<ObjectSource> {
  const { token, projectId } = callerOf(request);
  const source = await core.objects.find(uri, { token, projectId }).catch(sayMissing);
  if (source === undefined)
    throw volumeFailure('invalid-input', {
      why: `${fromObjectName} must be the URL of an object of this cloud, or swift://CONTAINER/OBJECT, or s3://BUCKET/KEY.`,
    });
  if (source.sizeBytes === 0)
    throw volumeFailure('invalid-input', { why: `Object ${source.object} is empty.` });
  const format = formatOf(await core.objects.head(source));
  if (format === undefined) return source;
  throw volumeFailure('invalid-input', {
    why: `Object ${source.object} is a ${format} file and not the bytes of a disk. Import it as an image, and make the volume of that.`,
  });
}

/** Not there, or not for the caller to read: which of them is not told. A 404 would say that the volume is not. */
function sayMissing(error: unknown): never {
  if (!isFailure(error) || error.kind === 'bug' || error.kind === 'unreachable') throw error;
  throw volumeFailure('invalid-input', { why: `${error.message}.` }, error);
}

function formatOf(head: Buffer): string | undefined {
  return marks.find(([, at, mark]) => head.toString('latin1', at, at + mark.length) === mark)?.[0];
}
