/** PUT with `X-Symlink-Target`: an empty object that stands for another; with an ETag, for that very state of it. */
import { Buffer } from 'node:buffer';
import { isFailure } from '#common';
import type { Reply } from '../exchange.ts';
import {
  type Container,
  type FollowedObject,
  linkAccountField,
  linkBytesField,
  linkEtagField,
  linkTargetField,
  type ObjectPlace,
} from '../objects/index.ts';
import { authorize } from './access.ts';
import { learnRight } from './account-acl.ts';
import { stripQuotes } from './conditional.ts';
import { openContainer } from './containers.ts';
import { encryptionOf } from './encryption.ts';
import { follow } from './find-object.ts';
import { checkObjectName, created, readFields, readPutConditions } from './object-fields.ts';
import { locationOf, parseObjectPath } from './object-path.ts';
import { htmlType, refusal } from './refusal.ts';
import { headerOf, type ObjectRequest, type SwiftServices } from './swift-request.ts';
import { writtenAt } from './synced-writes.ts';
import { decodePercent } from './text.ts';

const targetHeader = 'X-Symlink-Target';

export async function putSymlink(
  request: ObjectRequest,
  services: SwiftServices,
  container: Container,
): Promise<Reply> {
  const { exchange, path } = request;
  if ((await exchange.body.whole(1).catch(tooLong)).length > 0)
    throw refusal('bad-request', 'Symlink requests require a zero byte body');
  checkObjectName(path.object);
  const { target, account, etag } = readTarget(request);
  const at = { ...target, account: account ?? path.account };
  if (at.account === path.account && at.container === path.container && at.object === path.object)
    throw refusal('bad-request', 'Symlink cannot target itself');
  const found = etag === undefined ? undefined : await findTarget(request, services, at, etag);
  const fields = readFields(exchange, path.object, services.clock.nowUs());
  const conditions = readPutConditions(exchange);
  const encryption = await encryptionOf(services);
  const { info } = await services.objects.objects.put({
    container,
    name: path.object,
    ...fields,
    contentType: headerOf(exchange, 'content-type')
      ? (fields.contentType ?? '')
      : (found?.contentType ?? 'application/symlink'),
    system: {
      [linkTargetField]: `${target.container}/${target.object}`,
      ...(account === undefined ? {} : { [linkAccountField]: account }),
      ...(etag === undefined || found === undefined
        ? {}
        : { [linkEtagField]: etag, [linkBytesField]: String(found.size), ...found.slo }),
    },
    kind: 'symlink',
    ...writtenAt(request),
    mode: 'available',
    body: Buffer.alloc(0),
    ...(conditions === undefined ? {} : { conditions }),
    ...(encryption === undefined ? {} : { encryption }),
  });
  return created(info, info.etag);
}

function tooLong(error: unknown): Buffer {
  if (isFailure(error) && error.code === 'body-too-large') return Buffer.alloc(1);
  throw error;
}

function readTarget({ exchange }: ObjectRequest) {
  const value = headerOf(exchange, 'x-symlink-target') ?? '';
  if (decodePercent(value)?.startsWith('/') === true)
    throw refusal(
      'precondition-failed',
      `${targetHeader} header must be of the form <container name>/<object name>`,
    );
  const target = parseObjectPath(targetHeader, value);
  const given = headerOf(exchange, 'x-symlink-target-account');
  const account = given === undefined ? undefined : checkAccount(decodePercent(given));
  const tag = headerOf(exchange, 'x-symlink-target-etag');
  const etag = tag ? stripQuotes(tag) : undefined;
  if (etag !== undefined && /[;"\\]/.test(etag))
    throw refusal('bad-request', 'Bad X-Symlink-Target-Etag format');
  return { target, account, etag };
}

export function checkAccount(name: string | undefined): string {
  const html = { 'Content-Type': htmlType };
  if (!name) throw refusal('precondition-failed', 'Account name cannot be empty', html);
  if (name.includes('/'))
    throw refusal('precondition-failed', 'Account name cannot contain slashes', html);
  return name;
}

interface FoundTarget {
  readonly size: number;
  readonly contentType: string;
  /** For listings: the ETag of a static large object. */
  readonly slo: Readonly<Record<string, string>>;
}

/** The target of a static link, which must be there and be what the link says. */
async function findTarget(
  request: ObjectRequest,
  services: SwiftServices,
  at: ObjectPlace,
  etag: string,
): Promise<FoundTarget> {
  const { caller } = request;
  let found: FollowedObject;
  try {
    await learnRight(caller, at.account, services);
    const container = await openContainer(request, services, at.account, at.container);
    authorize(caller, at.account, container, 'object');
    const stored = await services.objects.objects.get({ container, name: at.object });
    const only = { etag, staticOnly: true, from: at };
    found = await follow({ caller, path: { ...at } }, services, stored, only);
  } catch (error) {
    if (isFailure(error, 'missing'))
      throw refusal('conflict', 'X-Symlink-Target does not exist', {
        'Content-Location': locationOf(at),
      });
    throw error;
  }
  const { info } = found.stored;
  const size = info.kind === 'slo' ? Number(info.system['slo-size']) : info.size;
  const sloEtag = info.system['slo-etag'];
  const slo = sloEtag === undefined ? {} : { 'slo-etag': sloEtag };
  return { size, contentType: info.contentType, slo };
}
