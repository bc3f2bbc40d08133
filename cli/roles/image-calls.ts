/** The control calls behind `pileus image …`. */
import * as fs from 'node:fs';
import { Type } from 'typebox';
import type { Identity } from '#cloud/identity';
import type { LocalImage, LocalImages } from '#cloud/image';
import type { Operations } from '#cloud/operations';
import { Failure } from '#common';
import type { ImageLine } from '../commands/image.ts';
import { parseArguments } from '../control/arguments.ts';
import type { ControlHandler } from '../control/protocol.ts';
import { guestName } from './guest-image.ts';

const CreateImage = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 255 }),
  file: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
  url: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
  format: Type.Optional(Type.String({ minLength: 1, maxLength: 32 })),
  public: Type.Optional(Type.Boolean()),
});

export interface ImageCallParts {
  readonly identity: Identity;
  readonly operations: Operations;
}

export function imageCalls(
  images: LocalImages,
  parts: ImageCallParts,
): Readonly<Record<string, ControlHandler>> {
  return {
    'image-list': async () => {
      const lines = (await images.list()).map(lineOf);
      const guest = await unregistered(images, parts.operations);
      return guest === undefined ? lines : [...lines, guest];
    },
    'image-create': async (args, report) => {
      const { name, file, url, format, ...wanted } = parseArguments(CreateImage, args);
      const owner = (await parts.identity.projectId('admin')) ?? null;
      const visibility = wanted.public === true ? ('public' as const) : ('shared' as const);
      const image = { name, owner, visibility };
      if (url !== undefined) {
        if (format === undefined)
          throw new Failure('invalid', 'format-missing', 'A download needs --format');
        return lineOf(await images.download(image, url, format));
      }
      if (file === undefined)
        throw new Failure('invalid', 'source-missing', 'Name a file or a URL');
      const total = fs.statSync(file).size;
      return lineOf(await images.create(image, counted(file, total, report), total));
    },
  };
}

async function* counted(
  file: string,
  total: number,
  report: Parameters<ControlHandler>[1],
): AsyncGenerator<Buffer> {
  let done = 0;
  for await (const chunk of fs.createReadStream(file, { highWaterMark: 1024 * 1024 })) {
    done += chunk.length;
    report({ what: 'Storing the image', done, total, unit: 'bytes' });
    yield chunk;
  }
}

/** The guest image while it is not there yet: what is being done, or what to do. */
async function unregistered(
  images: LocalImages,
  operations: Operations,
): Promise<ImageLine | undefined> {
  const operation = await operations.findLatest({ type: 'guest-image', id: guestName });
  if (operation === undefined || operation.state === 'succeeded') return undefined;
  if ((await images.list()).some(({ name }) => name === guestName)) return undefined;
  const reason = operation.error?.message;
  return {
    id: '',
    name: guestName,
    status: reason === undefined ? `being made (${operation.step})` : 'not there',
    ...(reason === undefined ? {} : { reason }),
  };
}

function lineOf(image: LocalImage): ImageLine {
  const { id, name, status, size, diskFormat, visibility, reason } = image;
  return {
    ...{ id, name, status, visibility },
    ...(size === undefined ? {} : { size }),
    ...(diskFormat === undefined ? {} : { format: diskFormat }),
    ...(reason === undefined ? {} : { reason }),
  };
}
