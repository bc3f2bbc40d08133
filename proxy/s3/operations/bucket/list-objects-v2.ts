/** ListObjectsV2: goes on by continuation token. */
import { openBucket } from '../../access.ts';
import type { Operation } from '../../context.ts';
import { decodeToken, encodeToken, type ListPosition } from '../../continuation-token.ts';
import { pageLimit } from '../../numbers.ts';
import { ownerElementsOf } from '../../owner-element.ts';
import { xmlReply } from '../../reply.ts';
import { element, optionalElement, s3Document } from '../../xml/write.ts';
import {
  askPage,
  nameEncoder,
  positionAfter,
  positionOf,
  refuseUnordered,
  renderEntries,
} from './list-entries.ts';

export const listObjectsV2: Operation = async (request, services) => {
  const { query } = request;
  const container = await openBucket(request, services, 's3:ListBucket');
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const limit = pageLimit(query, 'max-keys');
  const encode = nameEncoder(query);
  refuseUnordered(query, delimiter);
  const start = startPosition(query, prefix, delimiter);
  const page = await askPage(services, container, { prefix, delimiter, limit, start });
  const owner =
    query.get('fetch-owner') === 'true'
      ? await ownerElementsOf(page.entries, container.account, services)
      : () => '';
  const { contents, commonPrefixes } = renderEntries(page.entries, encode, owner);
  const last = page.entries.at(-1);
  const next = page.more && last !== undefined ? encodeToken(positionAfter(last)) : undefined;
  const startAfter = query.get('start-after');
  const inner =
    element('Name', request.bucket) +
    element('Prefix', encode(prefix)) +
    optionalElement('StartAfter', startAfter === undefined ? undefined : encode(startAfter)) +
    optionalElement('ContinuationToken', query.get('continuation-token')) +
    optionalElement('NextContinuationToken', next) +
    element('KeyCount', page.entries.length) +
    element('MaxKeys', limit) +
    (delimiter === '' ? '' : element('Delimiter', encode(delimiter))) +
    (query.has('encoding-type') ? element('EncodingType', 'url') : '') +
    element('IsTruncated', page.more) +
    contents +
    commonPrefixes;
  return xmlReply(200, s3Document('ListBucketResult', inner));
};

/** The token, where there is one, has been further than `start-after`. */
function startPosition(
  query: ReadonlyMap<string, string>,
  prefix: string,
  delimiter: string,
): ListPosition | undefined {
  const token = query.get('continuation-token');
  if (token !== undefined && token !== '') return decodeToken(token);
  const after = query.get('start-after');
  return after === undefined || after === '' ? undefined : positionOf(after, prefix, delimiter);
}
