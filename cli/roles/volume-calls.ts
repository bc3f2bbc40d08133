/** The control calls behind `pileus volume …`. */
import * as fs from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Type } from 'typebox';
import type { StoredBytes, VolumeInfo } from '#block-gateway';
import type { AdminCredentials, Identity } from '#cloud/identity';
import type { LocalImages, StoredContent } from '#cloud/image';
import { Failure, randomHex, systemRandom } from '#common';
import { accountOf, type ObjectService } from '#proxy';
import type { Endpoints } from '../cloud-types.ts';
import type { VolumeLine } from '../commands/volume.ts';
import { parseArguments } from '../control/arguments.ts';
import type { ControlHandler, Progress } from '../control/protocol.ts';
import type { DataFolder } from '../data-folder.ts';
import type { Gateway } from './gateway.ts';
import { serviceProject } from './image.ts';
import { findOwnObject, openObject } from './image-objects.ts';
import { storedBytes } from './volume-objects.ts';
import { volumePointCalls } from './volume-point-calls.ts';

export interface VolumeCallParts {
  readonly gateway: Gateway;
  readonly images: LocalImages;
  readonly objects: ObjectService;
  readonly identity: Identity;
  readonly admin: AdminCredentials;
  readonly folder: DataFolder;
  readonly endpoints: Endpoints;
}

const CreateVolume = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 255 }),
  size: Type.Optional(Type.Integer({ minimum: 1 })),
  file: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
  object: Type.Optional(Type.String({ minLength: 3, maxLength: 2048 })),
  image: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  export: Type.Optional(Type.Boolean()),
  encrypt: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
  retentionS: Type.Optional(Type.Integer({ minimum: 0 })),
  durability: Type.Optional(Type.Union([Type.Literal('local'), Type.Literal('replicated')])),
});
const OneVolume = Type.Object({ volume: Type.String({ minLength: 1, maxLength: 255 }) });

const DeleteVolume = Type.Object({
  volume: Type.String(),
  cascade: Type.Optional(Type.Boolean()),
});

const progressEveryMs = 500;
const listPage = 1000;

export function volumeCalls(parts: VolumeCallParts): Readonly<Record<string, ControlHandler>> {
  const { volumes } = parts.gateway;
  const find = (args: unknown): Promise<VolumeInfo> =>
    findVolume(parts, parseArguments(OneVolume, args).volume);
  return {
    'volume-create': async (args, report) => {
      const wanted = parseArguments(CreateVolume, args);
      const project = await projectOf(parts);
      await checkNameFree(parts, wanted.name);
      const { size, encrypt, retentionS, durability } = wanted;
      if (encrypt !== undefined) parts.gateway.keys.ensure(encrypt);
      const more = {
        ...(size === undefined ? {} : { sizeBytes: size }),
        ...(encrypt === undefined
          ? {}
          : { encryption: { keyId: encrypt, cipher: 'aes-256-xts' as const } }),
        ...(retentionS === undefined ? {} : { retentionS }),
        ...(durability === undefined ? {} : { durability }),
      };
      return await withSource(parts, wanted, report, async (source) => {
        const made = await volumes.create({ name: wanted.name, project, ...more, ...source });
        return await lineOf(parts, made);
      });
    },
    'volume-list': async () => {
      const project = await projectOf(parts);
      const lines: VolumeLine[] = [];
      for (let marker: string | undefined; ; ) {
        const page = await volumes.list(project, {
          limit: listPage,
          ...(marker === undefined ? {} : { marker }),
        });
        for (const entry of page.entries)
          lines.push({ id: entry.id, name: entry.name, size: entry.sizeBytes });
        marker = page.entries.at(-1)?.id;
        if (page.entries.length < listPage || marker === undefined) return lines;
      }
    },
    'volume-show': async (args) => lineOf(parts, await find(args)),
    'volume-delete': async (args) => {
      const { cascade = false } = parseArguments(DeleteVolume, args);
      await volumes.delete((await find(args)).id, { cascade });
    },
    ...volumePointCalls(parts),
  };
}

export async function findVolume(parts: VolumeCallParts, idOrName: string): Promise<VolumeInfo> {
  const found = await parts.gateway.volumes.find(await projectOf(parts), idOrName);
  if (found !== undefined) return found;
  throw new Failure('missing', 'no-such-volume', `There is no volume ${idOrName}`);
}

/** On the command line a name is as good as an id. */
export async function checkNameFree(parts: VolumeCallParts, name: string): Promise<void> {
  if ((await parts.gateway.volumes.find(await projectOf(parts), name)) === undefined) return;
  throw new Failure('conflict', 'volume-exists', `A volume called ${name} exists already`);
}

/** Volumes made on the command line belong to the administrator's project. */
export async function projectOf(parts: VolumeCallParts): Promise<string> {
  const access = await parts.identity.s3Secret(parts.admin.accessKey);
  if (access?.scope.kind !== 'project') {
    throw new Failure(
      'missing',
      'no-admin-project',
      "The administrator's first key is gone, and with it the project to use",
    );
  }
  return access.scope.id;
}

type Source = {
  readonly from?:
    | { readonly file: string }
    | { readonly volume: string }
    | { readonly bytes: StoredBytes };
};

async function withSource<T>(
  parts: VolumeCallParts,
  wanted: { readonly file?: string; readonly object?: string; readonly image?: string },
  report: (progress: Progress) => void,
  use: (source: Source) => Promise<T>,
): Promise<T> {
  const working = setInterval(
    () => report({ what: 'Filling the volume', done: 0, total: 0, unit: 'bytes' }),
    progressEveryMs,
  );
  try {
    if (wanted.object !== undefined) return await withObject(parts, wanted.object, report, use);
    // A clone of the volume that the image has already: no byte is copied.
    if (wanted.image !== undefined)
      return await use({ from: { volume: (await parts.images.volumeOf(wanted.image)).volumeId } });
    return await use(wanted.file === undefined ? {} : { from: { file: wanted.file } });
  } finally {
    clearInterval(working);
  }
}

/** The bytes of a disk are shared; a file of another format is unpacked. */
async function withObject<T>(
  parts: VolumeCallParts,
  path: string,
  report: (progress: Progress) => void,
  use: (source: Source) => Promise<T>,
): Promise<T> {
  const slash = path.indexOf('/');
  if (slash <= 0) throw new Failure('invalid', 'bad-object', `${path} is not CONTAINER/OBJECT`);
  const account = accountOf(await projectOf(parts));
  const place = { container: path.slice(0, slash), object: path.slice(slash + 1) };
  const { objects, identity } = parts;
  const source = await findOwnObject(objects, account, place);
  const reader = await openObject(objects, source);
  if (await isRaw(reader)) {
    const imageAccount = accountOf(await serviceProject(identity));
    return await use({ from: { bytes: storedBytes({ objects, imageAccount }, source) } });
  }
  return await withCopy(parts, reader, report, (file) => use({ from: { file } }));
}

/** QEMU's own format is the only other one that volumes are made of. */
async function isRaw({ read, sizeBytes }: StoredContent): Promise<boolean> {
  const mark: Buffer[] = [];
  for await (const chunk of read(0, Math.min(4, sizeBytes))) mark.push(Buffer.from(chunk));
  return Buffer.concat(mark).toString('latin1') !== 'QFI\xfb';
}

/** Image tools read files: the object is copied to one that is gone afterwards. */
async function withCopy<T>(
  parts: VolumeCallParts,
  { read, sizeBytes: total }: StoredContent,
  report: (progress: Progress) => void,
  use: (file: string) => Promise<T>,
): Promise<T> {
  const file = parts.folder.path('run', `image-${randomHex(systemRandom, 8)}`);
  try {
    let done = 0;
    const counted = async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of read(0, total)) {
        done += chunk.length;
        report({ what: 'Reading the object', done, total, unit: 'bytes' });
        yield chunk;
      }
    };
    await pipeline(counted, fs.createWriteStream(file, { mode: 0o600 }));
    return await use(file);
  } finally {
    fs.rmSync(file, { force: true });
  }
}

/** The attachment by which `show` and `create --export` say where a volume is. */
const operatorAttachment = 'operator';

export async function lineOf(parts: VolumeCallParts, info: VolumeInfo): Promise<VolumeLine> {
  const { volumes, socketPath } = parts.gateway;
  const volume = info.id;
  const { exportName } = await volumes.attach({ volume, id: operatorAttachment });
  return {
    id: volume,
    name: info.name,
    size: info.sizeBytes,
    ...(info.shares === true ? { shares: true } : {}),
    created: new Date(Math.floor(info.createdUs / 1000)).toISOString(),
    nbd: `${parts.endpoints.nbd}/${exportName}`,
    nbd_unix: `nbd+unix:///${volume}?socket=${socketPath}`,
  };
}
