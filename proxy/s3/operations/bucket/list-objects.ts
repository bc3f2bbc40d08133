/** ListObjects, the first version: goes on by marker. */
import { openBucket } from '../../access.ts';
import type { Operation } from '../../context.ts';
import { pageLimit } from '../../numbers.ts';
import { ownerElementsOf } from '../../owner-element.ts';
import { xmlReply } from '../../reply.ts';
import { element, s3Document } from '../../xml/write.ts';
import {
  askPage,
  nameEncoder,
  plainOrEncoded,
  positionOf,
  refuseUnordered,
  renderEntries,
} from './list-entries.ts';

export const listObjects: Operation = async (request, services) => {
  const { query } = request;
  const container = await openBucket(request, services, 's3:ListBucket');
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const marker = query.get('marker') ?? '';
  const limit = pageLimit(query, 'max-keys');
  const encode = nameEncoder(query);
  refuseUnordered(query, delimiter);
  const start = marker === '' ? undefined : positionOf(marker, prefix, delimiter);
  const page = await askPage(services, container, { prefix, delimiter, limit, start });
  const owner = await ownerElementsOf(page.entries, container.account, services);
  const { contents, commonPrefixes } = renderEntries(page.entries, encode, owner);
  const last = page.entries.at(-1);
  const next = page.more && delimiter !== '' ? (last?.prefix ?? last?.name) : undefined;
  const inner =
    element('Name', request.bucket) +
    element('Prefix', plainOrEncoded(prefix, encode)) +
    element('Marker', encode(marker)) +
    (next === undefined ? '' : element('NextMarker', encode(next))) +
    element('MaxKeys', limit) +
    (delimiter === '' ? '' : element('Delimiter', encode(delimiter))) +
    (query.has('encoding-type') ? element('EncodingType', 'url') : '') +
    element('IsTruncated', page.more) +
    contents +
    commonPrefixes;
  return xmlReply(200, s3Document('ListBucketResult', inner));
};
