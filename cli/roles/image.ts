/** The image service over the object store: its bytes are objects of the `service` project, in a container of their own. */
import { credentialsOf, type Identity } from '#cloud/identity';
import { createImages, type Images, type ImageVolumes } from '#cloud/image';
import { Failure, systemClock, type Undo } from '#common';
import { accountOf, type ObjectService } from '#proxy';
import type { Endpoints } from '../cloud-types.ts';
import type { DataFolder } from '../data-folder.ts';
import type { RoleContext } from './context.ts';
import type { Controller } from './controller.ts';
import type { Gateway } from './gateway.ts';
import { guestWorkflow } from './guest-image.ts';
import { hostPackagesWorkflow } from './host-packages.ts';
import { userObjects } from './image-objects.ts';
import { imageContainer, imageStore } from './image-store.ts';

export interface ImagesParts
  extends Pick<Controller, 'state' | 'operations' | 'quotas' | 'events' | 'policies'> {
  readonly folder: DataFolder;
  readonly identity: Identity;
  readonly objects: ObjectService;
  readonly gateway: Gateway;
  readonly endpoints: Endpoints;
}

export async function openImages(
  parts: ImagesParts,
  context: RoleContext,
  opened: Undo,
): Promise<Images> {
  const { settings, random } = context;
  const { state, operations, quotas, events } = parts;
  const project = await serviceProject(parts.identity);
  const images = await createImages({
    ...{ state, operations, quotas, events },
    policy: parts.policies.image ?? {},
    settings: settings.image,
    clock: systemClock,
    random,
    log: context.log.child({ room: 'image' }),
    store: imageStore(parts.objects, project),
    objects: userObjects({
      ...{ objects: parts.objects, identity: parts.identity, endpoints: parts.endpoints },
      swift: settings.swift,
      imageAccount: accountOf(project),
      imageContainer,
    }),
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
  operations.add([guestWorkflow(images.local), hostPackagesWorkflow]);
  return images;
}

export async function serviceProject(identity: Identity): Promise<string> {
  const project = await identity.projectId('service');
  if (project !== undefined) return project;
  throw new Failure('missing', 'no-service-project', 'There is no project called service');
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

/** Volumes of images have the id of their content, so that a half-made one is found again; nobody may write to them. */
function imageVolumes({ volumes }: Gateway, project: string): ImageVolumes {
  const find = (name: string) => volumes.find(project, name);
  return {
    ensure: async ({ id, sizeBytes, bytes }) => {
      const present = await find(id);
      if (present?.state === 'ready') return present.id;
      if (present !== undefined) await volumes.delete(present.id, { force: true });
      const from = { stream: bytes };
      const made = await volumes.create({ id, name: id, project, sizeBytes, from, sealed: true });
      return made.id;
    },
    clone: async (id, source) => {
      const present = await find(id);
      if (present !== undefined) return present.id;
      const made = await volumes.create({ id, name: id, project, sealed: true, from: source });
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
