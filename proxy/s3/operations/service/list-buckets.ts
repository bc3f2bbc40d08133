/** ListBuckets: the containers of the caller's project. */
import type { ContainerListEntry, ListContainers } from '../../../objects/index.ts';
import { mayInProject, ownerId, signedCaller } from '../../access.ts';
import type { Operation } from '../../context.ts';
import { decodeToken, encodeToken } from '../../continuation-token.ts';
import { listingDate } from '../../http-date.ts';
import { numberParameter } from '../../numbers.ts';
import { regionName } from '../../region.ts';
import { xmlReply } from '../../reply.ts';
import { S3Failure } from '../../s3-failure.ts';
import { element, optionalElement, s3Document, wrap } from '../../xml/write.ts';

const bucketsMax = 10_000;

export const listBuckets: Operation = async (request, { objects, settings }) => {
  const caller = signedCaller(request);
  if (!mayInProject(request, caller, 's3:ListAllMyBuckets')) throw new S3Failure('AccessDenied');
  const prefix = request.query.get('prefix');
  const token = request.query.get('continuation-token');
  const bounds = { name: 'max-buckets', min: 1, max: bucketsMax };
  const wanted: ListContainers = {
    limit: numberParameter(request.query, bounds) ?? bucketsMax,
    ...(prefix === undefined ? {} : { prefix }),
    ...(token === undefined ? {} : { marker: decodeToken(token).after }),
  };
  const region = regionName(settings.region);
  const isElsewhere = (request.query.get('bucket-region') ?? region) !== region;
  const page = isElsewhere
    ? { entries: [], more: false }
    : await objects.accounts.listContainers(caller.account, wanted);
  const shown = asksForPages(request.query) ? region : undefined;
  const last = page.entries.at(-1)?.name;
  const next = page.more && last !== undefined ? encodeToken({ after: last }) : undefined;
  const owner =
    element('ID', ownerId(caller.account)) +
    element('DisplayName', caller.identity.projectName ?? '');
  const inner =
    wrap('Owner', owner) +
    wrap('Buckets', page.entries.map((entry) => renderBucket(entry, shown)).join('')) +
    optionalElement('ContinuationToken', next) +
    optionalElement('Prefix', prefix);
  return xmlReply(200, s3Document('ListAllMyBucketsResult', inner));
};

/** Only who asks for pages is told the region of each. */
function asksForPages(query: ReadonlyMap<string, string>): boolean {
  return ['prefix', 'continuation-token', 'max-buckets', 'bucket-region'].some((name) =>
    query.has(name),
  );
}

function renderBucket(entry: ContainerListEntry, region: string | undefined): string {
  if (entry.name === undefined) return '';
  return wrap(
    'Bucket',
    element('Name', entry.name) +
      element('CreationDate', listingDate(entry.createdUs)) +
      optionalElement('BucketRegion', region),
  );
}
