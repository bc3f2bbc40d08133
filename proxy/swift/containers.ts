/** Containers: GET, HEAD, PUT, POST, DELETE. */
import { isFailure } from '#common';
import type { Exchange, Reply } from '../exchange.ts';
import type { Container, ObjectListEntry } from '../objects/index.ts';
import { authorize, denial, isOwnAccount, isOwner, ownersHeaders } from './access.ts';
import { applyFields, namesFields, writeFields } from './container-fields.ts';
import { versionsReply } from './list-versions.ts';
import { listingReply, readFormat, readRange, renderObjects } from './listing.ts';
import { applyChange, type MetadataChange, readMetadata, writeMetadata } from './metadata.ts';
import { htmlType, page, refusal } from './refusal.ts';
import { writeQuoting } from './stages/etag-quoter.ts';
import {
  type ContainerRequest,
  headerOf,
  type Operation,
  type SwiftRequest,
  type SwiftServices,
} from './swift-request.ts';
import { httpDate, timestamp } from './text.ts';
import { writeVersioning } from './versions-enabled.ts';
import { writeLocation } from './versions-location.ts';

const nameBytesMax = 256;

/**
 * The container, if the caller may know of it: who has no right to the account learns nothing from whether it exists.
 */
export async function openContainer(
  request: Pick<SwiftRequest, 'caller'>,
  services: SwiftServices,
  account: string,
  name: string,
): Promise<Container> {
  try {
    return await services.objects.containers.open(account, name);
  } catch (error) {
    if (mayKnow(request, account)) throw error;
    throw denial(request.caller, account);
  }
}

function mayKnow({ caller }: Pick<SwiftRequest, 'caller'>, account: string): boolean {
  if (caller.grant !== undefined) return caller.grant.account === account;
  if (isOwner(caller, account) || isOwnAccount(caller, account)) return true;
  return caller.rights?.get(account) !== undefined;
}

async function containerHeaders(
  request: ContainerRequest,
  services: SwiftServices,
  container: Container,
): Promise<Record<string, string | number>> {
  const usage = await services.objects.containers.usage(container);
  const headers: Record<string, string | number> = {
    'X-Container-Object-Count': usage.objects,
    'X-Container-Bytes-Used': usage.bytes + (usage.versionBytes ?? 0),
    'X-Timestamp': timestamp(container.createdUs),
    'Last-Modified': httpDate(container.modifiedUs),
    'X-Storage-Policy': container.policy,
    'Accept-Ranges': 'bytes',
  };
  writeMetadata(headers, 'container', container.metadata);
  writeLocation(headers, container);
  writeVersioning(headers, container);
  writeQuoting(headers, 'Container', container.system);
  if (isOwner(request.caller, container.account)) writeFields(headers, container);
  else dropOwners(headers);
  return headers;
}

/** What only owners are told is taken out of an answer for others. */
export function dropOwners(headers: Record<string, string | number>): void {
  for (const name of Object.keys(headers))
    if (ownersHeaders.has(name.toLowerCase())) delete headers[name];
}

export const getContainer: Operation<ContainerRequest> = async (request, services) => {
  const { exchange, path, query, caller } = request;
  const container = await openContainer(request, services, path.account, path.container);
  authorize(caller, path.account, container, 'listing');
  const format = readFormat(exchange, query);
  const range = readRange(query);
  const headers = await containerHeaders(request, services, container);
  if (exchange.method === 'HEAD')
    return {
      status: 204,
      headers: { ...headers, 'Content-Type': `${format}; charset=utf-8`, Vary: 'Accept' },
    };
  if (query.has('versions'))
    return await versionsReply(request, services, { container, range, headers });
  const { entries }: { entries: readonly ObjectListEntry[] } =
    range.limit === 0 ? { entries: [] } : await services.objects.containers.list(container, range);
  return listingReply(format, renderObjects(format, container, entries), headers);
};

/** The policy that the request asks for; undefined for none. */
function wantedPolicy(exchange: Exchange, { policies }: SwiftServices): string | undefined {
  const name = headerOf(exchange, 'x-storage-policy');
  if (!name) return undefined;
  const policy = policies.find(name);
  if (policy === undefined) throw refusal('bad-request', `Invalid X-Storage-Policy '${name}'`);
  if (policy.deprecated)
    throw refusal('bad-request', `Storage Policy '${policy.name}' is deprecated`, {
      'Content-Type': htmlType,
    });
  return policy.name;
}

export const putContainer: Operation<ContainerRequest> = async (request, services) => {
  const { exchange, path, caller } = request;
  authorize(caller, path.account, undefined, 'container');
  const change = readOwn(request, 'container');
  const fields = fieldsFor(request, services);
  const system = fields({});
  const metadata = applyChange({}, change);
  const policy = wantedPolicy(exchange, services);
  const length = Buffer.byteLength(path.container);
  if (length > nameBytesMax)
    throw refusal('bad-request', `Container name length of ${length} longer than ${nameBytesMax}`, {
      'Content-Type': htmlType,
    });
  await checkRoom(request, services);
  const made = await services.objects.containers.create({
    account: path.account,
    name: path.container,
    metadata,
    system,
    policy: policy ?? services.policies.byDefault.name,
  });
  if (made.created) return { status: 201, headers: { 'Content-Type': htmlType }, body: '' };
  if (policy !== undefined && policy !== made.container.policy) throw refusal('conflict');
  await changeContainer(request, services, change);
  return page(202);
};

/** Refuses one container too many, where their number is limited. */
async function checkRoom(
  { path }: ContainerRequest,
  { objects, swift }: SwiftServices,
): Promise<void> {
  const { containersPerAccountMax: max } = swift;
  if (max === 0) return;
  const { containers } = await objects.accounts.usage(path.account);
  if (containers < max) return;
  const page = await objects.accounts.listContainers(path.account, {
    prefix: path.container,
    limit: 1,
  });
  if (page.entries[0]?.name === path.container) return;
  throw refusal('forbidden', `Reached container limit of ${max}`, { 'Content-Type': htmlType });
}

/** The metadata of the request, without what only owners may set. */
function readOwn({ exchange, path, caller }: ContainerRequest, kind: 'container'): MetadataChange {
  const change = readMetadata(exchange, kind);
  if (isOwner(caller, path.account)) return change;
  const open = (name: string) => !ownersHeaders.has(`x-${kind}-meta-${name}`);
  return {
    set: new Map([...change.set].filter(([name]) => open(name))),
    removed: new Set([...change.removed].filter(open)),
  };
}

function fieldsFor({ exchange, path, caller }: ContainerRequest, services: SwiftServices) {
  if (!isOwner(caller, path.account)) return (present: Container['system']) => present;
  return (present: Container['system']) => applyFields(exchange, present, services);
}

async function changeContainer(
  request: ContainerRequest,
  services: SwiftServices,
  change: MetadataChange,
): Promise<void> {
  const { exchange, path } = request;
  if (change.set.size === 0 && change.removed.size === 0 && !namesFields(exchange)) return;
  const fields = fieldsFor(request, services);
  await services.objects.containers.update(path.account, path.container, (present) => ({
    metadata: applyChange(present.metadata, change),
    system: fields(present.system),
  }));
}

export const postContainer: Operation<ContainerRequest> = async (request, services) => {
  const { path } = request;
  authorize(request.caller, path.account, undefined, 'container');
  const change = readOwn(request, 'container');
  await services.objects.containers.open(path.account, path.container);
  await changeContainer(request, services, change);
  return { status: 204, headers: { 'Content-Type': htmlType } };
};

export const deleteContainer: Operation<ContainerRequest> = async (request, services) => {
  const { path, caller } = request;
  authorize(caller, path.account, undefined, 'container');
  try {
    await services.objects.containers.delete(path.account, path.container);
  } catch (error) {
    throw isFailure(error) && error.code === 'container-not-empty'
      ? await notEmpty(request, services)
      : error;
  }
  const reply: Reply = { status: 204, headers: { 'Content-Type': htmlType } };
  return reply;
};

/** What is still in it: objects, or only what was in it once. */
async function notEmpty({ path }: ContainerRequest, { objects }: SwiftServices): Promise<Error> {
  const container = await objects.containers.open(path.account, path.container);
  const usage = await objects.containers.usage(container);
  if (usage.objects > 0) return refusal('conflict');
  return refusal('conflict', 'Delete all versions before deleting container.', {
    'Content-Type': htmlType,
  });
}
