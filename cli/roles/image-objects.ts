/** Objects of the cloud's users as sources of images: found by their URL, read as the front door would let them be, shared by reference. */
import type { Identity } from '#cloud/identity';
import type { SourceObject, SourceReader, StoredContent, UserObjects } from '#cloud/image';
import { Failure, isFailure } from '#common';
import {
  type AssembleOptions,
  accountOf,
  assemble,
  type Identity as Caller,
  type Container,
  followLinks,
  hopsMaxDefault,
  isDynamic,
  mayReadObject,
  type ObjectRef,
  type ObjectService,
  publicEtag,
  type StoredObject,
  type SwiftSettings,
  wholeSegments,
} from '#proxy';
import type { Endpoints } from '../cloud-types.ts';
import { adaptIdentity } from './authenticator.ts';
import { objectUrlReader, type UrlObject } from './object-urls.ts';

/** Beside the images': what volumes were made of. */
export const holdContainer = 'volumes';

export interface UserObjectsParts {
  readonly objects: ObjectService;
  readonly identity: Identity;
  readonly endpoints: Endpoints;
  readonly swift: SwiftSettings;
  /** Where images themselves are kept, beside what is kept for volumes: nobody's to name. */
  readonly imageAccount: string;
  readonly imageContainer: string;
}

export function userObjects(parts: UserObjectsParts): UserObjects {
  const read = objectUrlReader(parts.endpoints);
  return {
    find: async (uri, reader) => {
      const named = read(uri);
      return named === undefined ? undefined : await findObject(parts, named, reader);
    },
    share: async (source, name) => {
      const { objects, imageAccount, imageContainer } = parts;
      const stored = await openSource(objects, source);
      const container = await containerFor(objects, imageAccount, imageContainer);
      const sources = await piecesOf(objects, source, stored);
      if (sources === undefined) return false;
      const lent = await objects.objects.lend({ sources, target: { container, name } });
      return lent !== undefined;
    },
    open: (source) => openObject(parts.objects, source),
  };
}

const notThere = (cause?: unknown) =>
  new Failure('missing', 'source-missing', 'There is no such object that you may read', { cause });

async function findObject(
  parts: UserObjectsParts,
  named: UrlObject,
  { token, projectId }: SourceReader,
): Promise<SourceObject> {
  try {
    const container = await openContainer(parts.objects, named, projectId);
    const path = `/v1/${container.account}/${container.name}/${named.object}`;
    const identity = await adaptIdentity(parts.identity).validateToken(token, {
      method: 'GET',
      path,
    });
    if (identity === undefined) throw notThere();
    return await readable(parts, identity, container, named.object);
  } catch (error) {
    if (isFailure(error) && (error.kind === 'missing' || error.kind === 'denied'))
      throw notThere(error);
    throw error;
  }
}

async function readable(
  { objects, identity: room, swift, imageAccount, imageContainer }: UserObjectsParts,
  identity: Caller,
  container: Container,
  object: string,
): Promise<SourceObject> {
  const authenticator = adaptIdentity(room);
  const reader = { objects, settings: swift, authenticator, identity };
  const mayRead = async (of: Container) => {
    const isOurs = of.account === imageAccount && [imageContainer, holdContainer].includes(of.name);
    if (isOurs || !(await mayReadObject(reader, of.account, of))) throw notThere();
  };
  await mayRead(container);
  const first = await objects.objects.get({ container, name: object });
  const follow = { service: objects, mayRead, hopsMax: hopsMaxDefault };
  const { stored, at } = await followLinks(follow, first, container.account);
  const place = at ?? { account: container.account, container: container.name, object };
  // Its segments are found again later, without the caller: only who may read all of the account names a manifest.
  if (isManifest(stored) && !(await mayReadObject(reader, place.account, undefined)))
    throw notThere();
  const etag = publicEtag(stored.info);
  const { size } = await assemble(within(objects, place.account), stored);
  return { ...place, etag, sizeBytes: size, isManifest: isManifest(stored) };
}

const isManifest = ({ info }: StoredObject) => info.kind === 'slo' || isDynamic(info);

async function openContainer(
  objects: ObjectService,
  { account, bucket }: UrlObject,
  projectId: string | undefined,
): Promise<Container> {
  if (account !== undefined) return await objects.containers.open(account, bucket);
  const own = projectId === undefined ? undefined : accountOf(projectId);
  return await objects.containers.resolve(bucket, own);
}

/** Segments of a manifest are those of its own account: whoever names it was asked for that. */
export function within(service: ObjectService, account: string): AssembleOptions {
  const mayRead = (container: Container) => {
    if (container.account !== account) throw notThere();
  };
  return { service, account, mayRead };
}

/** An object of an account itself, for whoever may read all of it. */
export async function findOwnObject(
  objects: ObjectService,
  account: string,
  { container: name, object }: { readonly container: string; readonly object: string },
): Promise<SourceObject> {
  const container = await objects.containers.open(account, name);
  const stored = await objects.objects.get({ container, name: object });
  const { size } = await assemble(within(objects, account), stored);
  const place = { account, container: name, object };
  return {
    ...place,
    etag: publicEtag(stored.info),
    sizeBytes: size,
    isManifest: isManifest(stored),
  };
}

export async function openObject(
  objects: ObjectService,
  source: SourceObject,
): Promise<StoredContent> {
  const stored = await openSource(objects, source);
  const { size, read } = await assemble(within(objects, source.account), stored);
  return { sizeBytes: size, read };
}

/** Invariant: an ETag alone does not say that an object is the same; a manifest can have any, and names what its reader may not read. */
export async function openSource(
  objects: ObjectService,
  source: SourceObject,
): Promise<StoredObject> {
  const container = await objects.containers.open(source.account, source.container);
  const stored = await objects.objects.get({ container, name: source.object });
  const isSame =
    publicEtag(stored.info) === source.etag && isManifest(stored) === (source.isManifest === true);
  if (isSame) return stored;
  throw new Failure('conflict', 'source-changed', 'The object was replaced meanwhile', {
    facts: { reason: `Object ${source.container}/${source.object} was replaced meanwhile.` },
  });
}

/** The objects whose bytes, one after the other, are the source's; undefined when some of them are not whole objects. */
export async function piecesOf(
  objects: ObjectService,
  source: SourceObject,
  stored: StoredObject,
): Promise<readonly ObjectRef[] | undefined> {
  if (isManifest(stored)) return await wholeSegments(within(objects, source.account), stored);
  const container = await objects.containers.open(source.account, source.container);
  return [{ container, name: source.object }];
}

export async function containerFor(
  objects: ObjectService,
  account: string,
  name: string,
): Promise<Container> {
  return (await objects.containers.create({ account, name })).container;
}
