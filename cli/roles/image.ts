/** The image service over the object store: its bytes are objects of the `service` project, in a container of their own. */
import { credentialsOf, type Identity } from '#cloud/identity';
import { type ContentStore, createImages, type Images, type ImageVolumes } from '#cloud/image';
import { Failure, isFailure, systemClock, type Undo } from '#common';
import { accountOf, type Container, type ObjectService } from '#proxy';
import type { DataFolder } from '../data-folder.ts';
import type { RoleContext } from './context.ts';
import type { Controller } from './controller.ts';
import type { Gateway } from './gateway.ts';
import { guestWorkflow } from './guest-image.ts';

const containerName = 'images';

export interface ImagesParts extends Pick<Controller, 'state' | 'operations' | 'quotas'> {
  readonly folder: DataFolder;
  readonly identity: Identity;
  readonly objects: ObjectService;
  readonly gateway: Gateway;
}

export async function openImages(
  parts: ImagesParts,
  context: RoleContext,
  opened: Undo,
): Promise<Images> {
  const { settings, random } = context;
  const { state, operations, quotas } = parts;
  const project = await serviceProject(parts.identity);
  const images = await createImages({
    ...{ state, operations, quotas },
    settings: settings.image,
    clock: systemClock,
    random,
    log: context.log.child({ room: 'image' }),
    store: objectStore(parts.objects, project),
    volumes: imageVolumes(parts.gateway, project),
    scratch: parts.folder.path('run', 'images'),
    holder: `${context.clusterId}/${context.name}`,
    authenticate: async (token, line) => {
      const info = await parts.identity.validateToken(token, { service: 'image', ...line });
      if (info === undefined) return undefined;
      const projectId = info.scope.kind === 'project' ? info.scope.id : undefined;
      return { userId: info.user.id, projectId, credentials: credentialsOf(info) };
    },
  });
  opened.add(() => images.close());
  operations.add([guestWorkflow(images.local)]);
  return images;
}

async function serviceProject(identity: Identity): Promise<string> {
  const project = await identity.projectId('service');
  if (project !== undefined) return project;
  throw new Failure('missing', 'no-service-project', 'There is no project called service');
}

/** The container is made at the first image, so that a start costs nothing. */
function objectStore(objects: ObjectService, project: string): ContentStore {
  const account = accountOf(project);
  const container = async (): Promise<Container> => {
    try {
      return await objects.containers.open(account, containerName);
    } catch (error) {
      if (!isFailure(error, 'missing')) throw error;
      return (await objects.containers.create({ account, name: containerName })).container;
    }
  };
  return {
    put: async (name, body, length) => {
      const put = { container: await container(), name, body };
      const { info } = await objects.objects.put(length === undefined ? put : { ...put, length });
      return { md5: info.etag };
    },
    open: async (name) => {
      const object = await objects.objects.get({ container: await container(), name });
      return {
        sizeBytes: object.info.size,
        read: (offset, bytes) => object.read(offset, bytes),
      };
    },
    delete: async (name) => {
      await objects.objects.delete({ container: await container(), name });
    },
  };
}

const readBytes = 1024 * 1024;

/** A sealed volume as a stream; leaving the iteration lets go of it. */
async function* readVolume(
  volumes: Gateway['volumes'],
  id: string,
  offset: number,
  length: number,
): AsyncGenerator<Buffer> {
  const { volume, release } = await volumes.openReadOnly(id);
  try {
    for (let done = 0; done < length; ) {
      const bytes = Math.min(readBytes, length - done);
      const chunk = Buffer.allocUnsafe(bytes);
      await volume.read(offset + done, bytes, chunk, 0);
      yield chunk;
      done += bytes;
    }
  } finally {
    await release();
  }
}

/** Volumes of images are named for their content, so that a half-made one is found again. */
function imageVolumes({ volumes }: Gateway, project: string): ImageVolumes {
  const find = (name: string) => volumes.find(project, name);
  return {
    ensure: async ({ id, sizeBytes, bytes }) => {
      const present = await find(id);
      if (present?.state === 'ready') return present.id;
      if (present !== undefined) await volumes.delete(present.id, { force: true });
      const made = await volumes.create({ name: id, project, sizeBytes, from: { stream: bytes } });
      return made.id;
    },
    clone: async (id, source) => {
      const present = await find(id);
      if (present !== undefined) return present.id;
      const made = await volumes.create({ name: id, project, sealed: true, from: source });
      return made.id;
    },
    open: async (id) => {
      const present = await find(id);
      if (present === undefined)
        throw new Failure('missing', 'no-image-volume', 'The image has no volume');
      const read = (offset: number, length: number) =>
        readVolume(volumes, present.id, offset, length);
      return { sizeBytes: present.sizeBytes, read };
    },
    delete: async (id) => {
      const present = await find(id);
      if (present !== undefined) await volumes.delete(present.id, { force: true });
    },
  };
}
