/** The image service over the object store: its bytes are objects of the `service` project, in a container of their own. */
import { credentialsOf, type Identity } from '#cloud/identity';
import { type ContentStore, createImages, type Images } from '#cloud/image';
import type { State } from '#cloud/state';
import { Failure, isFailure, systemClock, type Undo } from '#common';
import { accountOf, type Container, type ObjectService } from '#proxy';
import type { RoleContext } from './context.ts';

const containerName = 'images';

export interface ImagesParts {
  readonly state: State;
  readonly identity: Identity;
  readonly objects: ObjectService;
}

export async function openImages(
  parts: ImagesParts,
  context: RoleContext,
  opened: Undo,
): Promise<Images> {
  const { settings, random } = context;
  const images = await createImages({
    state: parts.state,
    settings: settings.image,
    clock: systemClock,
    random,
    log: context.log.child({ room: 'image' }),
    store: await objectStore(parts),
    holder: `${context.clusterId}/${context.name}`,
    authenticate: async (token) => {
      const info = await parts.identity.validateToken(token);
      if (info === undefined) return undefined;
      const projectId = info.scope.kind === 'project' ? info.scope.id : undefined;
      return { userId: info.user.id, projectId, credentials: credentialsOf(info) };
    },
  });
  opened.add(() => images.close());
  return images;
}

/** Made at the first image, so that a start costs nothing. */
async function objectStore({ identity, objects }: ImagesParts): Promise<ContentStore> {
  const project = await identity.projectId('service');
  if (project === undefined)
    throw new Failure('missing', 'no-service-project', 'There is no project called service');
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
