/** Objects as the content of volumes: their blobs, kept by a borrowing object of the `service` project for as long as a volume or its clones need them. */
import type { BlobHolds, StoredBytes } from '#block-gateway';
import type { Identity } from '#cloud/identity';
import type { SourceObject } from '#cloud/image';
import type { VolumeObjects } from '#cloud/volume';
import { isFailure } from '#common';
import { accountOf, type ObjectService } from '#proxy';
import { serviceProject } from './image.ts';
import {
  containerFor,
  holdContainer,
  openObject,
  openSource,
  piecesOf,
  type UserObjectsParts,
  userObjects,
} from './image-objects.ts';

export function blobHolds(objects: ObjectService, identity: Identity): BlobHolds {
  return {
    release: async (name) => {
      const account = accountOf(await serviceProject(identity));
      try {
        const container = await objects.containers.open(account, holdContainer);
        await objects.objects.delete({ container, name });
      } catch (error) {
        if (!isFailure(error, 'missing')) throw error;
      }
    },
  };
}

/** Of the first bytes: every format's mark is in them. */
const headBytes = 1_024;

export function volumeObjects(parts: UserObjectsParts): VolumeObjects {
  const { find, open } = userObjects(parts);
  return {
    find,
    head: async (source) => {
      const { sizeBytes, read } = await open(source);
      const chunks: Buffer[] = [];
      for await (const chunk of read(0, Math.min(headBytes, sizeBytes)))
        chunks.push(Buffer.from(chunk));
      return Buffer.concat(chunks);
    },
    bytes: (source) => storedBytes(parts, source),
  };
}

export function storedBytes(
  { objects, imageAccount }: Pick<UserObjectsParts, 'objects' | 'imageAccount'>,
  source: SourceObject,
): StoredBytes {
  return {
    sizeBytes: source.sizeBytes,
    hold: async (name) => {
      const sources = await piecesOf(objects, source, await openSource(objects, source));
      if (sources === undefined) return undefined;
      const container = await containerFor(objects, imageAccount, holdContainer);
      return await objects.objects.hold({ sources, target: { container, name } });
    },
    async *read() {
      const { sizeBytes, read } = await openObject(objects, source);
      yield* read(0, sizeBytes);
    },
  };
}
