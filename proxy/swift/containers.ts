/** Containers: GET, HEAD, PUT, POST, DELETE. */
import type { Exchange, Reply } from '../exchange.ts';
import type { Container, Fields } from '../objects/index.ts';
import {
  authorize,
  cleanAcl,
  denial,
  isOwnAccount,
  isOwner,
  readAclField,
  writeAclField,
} from './access.ts';
import { listingReply, readFormat, readRange, renderObjects } from './listing.ts';
import { applyChange, readMetadata, toFields, writeMetadata } from './metadata.ts';
import { htmlType, page, refusal } from './refusal.ts';
import {
  type ContainerRequest,
  headerOf,
  type Operation,
  type SwiftServices,
} from './swift-request.ts';
import { fromHeader, httpDate, timestamp, toHeader } from './text.ts';

/**
 * The container, if the caller may know of it: who has no right to the account learns nothing from whether it exists.
 */
export async function openContainer(
  request: Pick<ContainerRequest, 'caller'>,
  services: SwiftServices,
  account: string,
  name: string,
): Promise<Container> {
  try {
    return await services.objects.containers.open(account, name);
  } catch (error) {
    const { caller } = request;
    if (isOwner(caller, account) || isOwnAccount(caller, account)) throw error;
    throw denial(caller, account);
  }
}

async function containerHeaders(
  request: ContainerRequest,
  services: SwiftServices,
  container: Container,
): Promise<Record<string, string | number>> {
  const usage = await services.objects.containers.usage(container);
  const headers: Record<string, string | number> = {
    'X-Container-Object-Count': usage.objects,
    'X-Container-Bytes-Used': usage.bytes,
    'X-Timestamp': timestamp(container.createdUs),
    'Last-Modified': httpDate(container.modifiedUs),
    'X-Storage-Policy': container.policy,
    'Accept-Ranges': 'bytes',
  };
  writeMetadata(headers, 'container', container.metadata);
  if (!isOwner(request.caller, container.account)) return headers;
  const read = container.system[readAclField];
  const write = container.system[writeAclField];
  if (read) headers['X-Container-Read'] = toHeader(read);
  if (write) headers['X-Container-Write'] = toHeader(write);
  return headers;
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
  const { entries } =
    range.limit === 0 ? { entries: [] } : await services.objects.containers.list(container, range);
  return listingReply(format, renderObjects(format, container.name, entries), headers);
};

const aclHeaders = [
  ['x-container-read', readAclField],
  ['x-container-write', writeAclField],
] as const;

/** The dialect's own fields after the request's ACL headers. */
function applyAcls(exchange: Exchange, present: Fields): Fields {
  const next = new Map(Object.entries(present));
  for (const [header, field] of aclHeaders) {
    const removal = header.replace('x-', 'x-remove-');
    if (headerOf(exchange, removal) !== undefined) next.delete(field);
    const value = headerOf(exchange, header);
    if (value === undefined) continue;
    const text = fromHeader(value);
    if (text === undefined) throw refusal('bad-request', 'ACL must be valid UTF-8');
    const acl = cleanAcl(header, text);
    if (acl === '') next.delete(field);
    else next.set(field, acl);
  }
  return toFields(next);
}

const notOffered = [
  'x-versions-location',
  'x-history-location',
  'x-versions-enabled',
  'x-container-sync-to',
];

function refuseNotOffered(exchange: Exchange): void {
  for (const header of notOffered)
    if (headerOf(exchange, header))
      throw refusal('precondition-failed', `${header} is not offered`);
}

function checkPolicy(exchange: Exchange, present: Container | undefined): void {
  const policy = headerOf(exchange, 'x-storage-policy');
  if (!policy) return;
  const known = ['default'];
  if (!known.includes(policy.toLowerCase()))
    throw refusal('bad-request', `Invalid X-Storage-Policy '${policy}'`);
  if (present !== undefined && present.policy !== policy.toLowerCase()) throw refusal('conflict');
}

export const putContainer: Operation<ContainerRequest> = async (request, services) => {
  const { exchange, path, caller } = request;
  authorize(caller, path.account, undefined, 'owner');
  refuseNotOffered(exchange);
  if (Buffer.byteLength(path.container) > 256)
    throw refusal(
      'bad-request',
      `Container name length of ${Buffer.byteLength(path.container)} longer than 256`,
    );
  checkPolicy(exchange, undefined);
  const change = readMetadata(exchange, 'container');
  const metadata = applyChange({}, change);
  const system = applyAcls(exchange, {});
  const { containers } = services.objects;
  const made = await containers.create({
    account: path.account,
    name: path.container,
    metadata,
    system,
  });
  if (made.created) return { status: 201, headers: { 'Content-Type': htmlType }, body: '' };
  checkPolicy(exchange, made.container);
  await changeContainer(request, services);
  return page(202);
};

async function changeContainer(
  { exchange, path }: ContainerRequest,
  services: SwiftServices,
): Promise<void> {
  const change = readMetadata(exchange, 'container');
  const aclsNamed = aclHeaders.some(
    ([header]) =>
      exchange.headers[header] !== undefined ||
      exchange.headers[header.replace('x-', 'x-remove-')] !== undefined,
  );
  if (change.set.size === 0 && change.removed.size === 0 && !aclsNamed) return;
  await services.objects.containers.update(path.account, path.container, (present) => ({
    metadata: applyChange(present.metadata, change),
    system: applyAcls(exchange, present.system),
  }));
}

export const postContainer: Operation<ContainerRequest> = async (request, services) => {
  authorize(request.caller, request.path.account, undefined, 'owner');
  refuseNotOffered(request.exchange);
  await services.objects.containers.open(request.path.account, request.path.container);
  await changeContainer(request, services);
  return { status: 204, headers: {} };
};

export const deleteContainer: Operation<ContainerRequest> = async (request, services) => {
  const { path, caller } = request;
  authorize(caller, path.account, undefined, 'owner');
  await services.objects.containers.delete(path.account, path.container);
  const reply: Reply = { status: 204, headers: {} };
  return reply;
};
