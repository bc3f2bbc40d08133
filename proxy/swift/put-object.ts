/** PUT of an object: its bytes, a manifest, or (with X-Copy-From) a copy. */
import type { PutObject } from '../objects/index.ts';
import { authorize } from './access.ts';
import { stripQuotes } from './conditional.ts';
import { openContainer } from './containers.ts';
import { copyInto, parseObjectPath } from './copy-object.ts';
import {
  checkObjectName,
  created,
  kindOf,
  readFields,
  readPutConditions,
  requireLength,
} from './object-fields.ts';
import { putManifest } from './put-manifest.ts';
import { refusal } from './refusal.ts';
import { headerOf, type ObjectRequest, type Operation } from './swift-request.ts';
import { decodePercent } from './text.ts';

export const putObject: Operation<ObjectRequest> = async (request, services) => {
  const { exchange, path, query, caller } = request;
  const container = await openContainer(request, services, path.account, path.container);
  authorize(caller, path.account, container, 'write');
  checkObjectName(path.object);
  const from = headerOf(exchange, 'x-copy-from');
  if (query.get('multipart-manifest') === 'put') {
    if (from)
      throw refusal('method-not-allowed', 'Multipart Manifest PUTs cannot be COPY requests');
    return await putManifest(request, services, container);
  }
  if (from) {
    if (exchange.body.length !== 0)
      throw refusal('bad-request', 'Copy requests require a zero byte body');
    const source = parseObjectPath('X-Copy-From', from);
    const account = headerOf(exchange, 'x-copy-from-account');
    const target = { container, name: path.object };
    return await copyInto(request, services, target, {
      ...source,
      account: account === undefined ? path.account : (decodePercent(account) ?? ''),
    });
  }
  requireLength(exchange, services.settings.objectBytesMax);
  const conditions = readPutConditions(exchange);
  const etag = headerOf(exchange, 'etag');
  const { length } = exchange.body;
  const small = length !== undefined && length <= services.settings.inlineBytesMax;
  const put: PutObject = {
    container,
    name: path.object,
    ...readFields(exchange, path.object, services.clock.nowUs()),
    body: small ? await exchange.body.whole(services.settings.inlineBytesMax) : exchange.body,
    mode: 'available',
    kind: kindOf(exchange),
    ...(length === undefined ? {} : { length }),
    ...(etag ? { expectedMd5: stripQuotes(etag) } : {}),
    ...(conditions === undefined ? {} : { conditions }),
  };
  const { info } = await services.objects.objects.put(put);
  return created(info, info.etag);
};
