/** CopyObject: server side; metadata and tags kept or replaced, everything else as the request says. */
import { type ObjectFields, type PutObject, withoutEncryption } from '../../../objects/index.ts';
import { openBucket } from '../../access.ts';
import { namedAlgorithm } from '../../body/declared-checksum.ts';
import { bodyBytesMax } from '../../body/open-body.ts';
import { sumUp } from '../../body/sum-up.ts';
import { checksumElements } from '../../checksum-headers.ts';
import { conditionally, writeConditions } from '../../conditions.ts';
import { tagsField } from '../../config/tags.ts';
import type { Operation, S3Request } from '../../context.ts';
import { type OpenedSource, openCopySource } from '../../copy-source.ts';
import { listingDate } from '../../http-date.ts';
import { parseFields } from '../../object-fields.ts';
import { xmlReply } from '../../reply.ts';
import { invalidArgument, S3Failure } from '../../s3-failure.ts';
import { writtenVersion } from '../../serve-object.ts';
import { encryptionHeaders, writeKeyOf } from '../../sse.ts';
import { refuseUnsupported } from '../../unsupported.ts';
import { systemOfWrite } from '../../write-fields.ts';
import { element, s3Document } from '../../xml/write.ts';
import { versionOf } from './put-object.ts';

export const copyObject: Operation = async (request, services) => {
  const { head, key } = request;
  refuseUnsupported(request);
  const container = await openBucket(request, services, 's3:PutObject');
  const source = await openCopySource(request, services);
  checkSource(request, source);
  await services.quotas.check(container, source.object.info.size);
  const encryption = await writeKeyOf(request, container, services);
  const own = await systemOfWrite(request, container, services);
  const fields = copiedFields(request, source, own);
  const { info } = source.object;
  const algorithm = namedAlgorithm(head.headers.get('x-amz-checksum-algorithm'));
  const kept = info.kind === 'multipart' ? {} : info.checksums;
  const needed = algorithm !== undefined && kept[algorithm] === undefined ? algorithm : undefined;
  const summed = await sumUp(source.object.read(0, info.size), needed);
  const conditions = writeConditions(head);
  const put: PutObject = {
    container,
    name: key,
    ...fields,
    checksums: needed === undefined ? kept : {},
    body: needed === undefined ? (source.object.inline ?? summed.body) : summed.body,
    length: info.size,
    mode: 'strict',
    onBodyEnd: () => ({ checksums: summed.checksums() }),
    ...(conditions === undefined ? {} : { conditions }),
    ...(encryption === undefined ? {} : { encryption }),
  };
  const made = await conditionally(() => services.objects.objects.put(put), conditions);
  const { size, etag } = made.info;
  const about = { container, key, size, etag, ...versionOf(made.info) };
  services.notifier.tell(request, { event: 'ObjectCreated:Copy', ...about });
  const inner =
    element('LastModified', listingDate(made.info.modifiedUs)) +
    element('ETag', `"${etag}"`) +
    checksumElements(made.info.checksums, true);
  const from =
    info.versionId === undefined ? {} : { 'x-amz-copy-source-version-id': info.versionId };
  return xmlReply(200, s3Document('CopyObjectResult', inner), {
    ...from,
    ...writtenVersion(made.info),
    ...encryptionHeaders(made.info.system),
  });
};

function directiveOf(request: S3Request, name: string): 'COPY' | 'REPLACE' {
  const directive = request.head.headers.get(name) ?? 'COPY';
  if (directive === 'COPY' || directive === 'REPLACE') return directive;
  throw invalidArgument(
    name,
    directive,
    `Unknown ${name.replace(/^x-amz-|-directive$/g, '')} directive.`,
  );
}

/** A Swift dialect's own fields of a plain object go with it, S3's are as the request says. */
function copiedFields(
  request: S3Request,
  { object }: OpenedSource,
  own: Readonly<Record<string, string>>,
): ObjectFields {
  const { info } = object;
  const metadata = directiveOf(request, 'x-amz-metadata-directive');
  const tags = info.system[tagsField];
  const keepTags = directiveOf(request, 'x-amz-tagging-directive') === 'COPY' && tags !== undefined;
  const system = withoutEncryption({ ...own, ...(keepTags ? { [tagsField]: tags } : {}) });
  if (metadata === 'REPLACE') return { ...parseFields(request.head), system };
  const { contentType, headers, metadata: kept } = info;
  return { contentType, headers, metadata: kept, system };
}

const changing = [
  'x-amz-storage-class',
  'x-amz-website-redirect-location',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-customer-algorithm',
  'x-amz-copy-source-server-side-encryption-customer-algorithm',
  'x-amz-acl',
];

function checkSource(request: S3Request, source: OpenedSource): void {
  const { head } = request;
  const isSame = source.bucket === request.bucket && source.key === request.key;
  const changes =
    source.versionId !== undefined ||
    directiveOf(request, 'x-amz-metadata-directive') === 'REPLACE' ||
    directiveOf(request, 'x-amz-tagging-directive') === 'REPLACE' ||
    changing.some((name) => head.headers.has(name));
  if (isSame && !changes)
    throw new S3Failure('InvalidRequest', {
      message:
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    });
  if (source.object.info.size > bodyBytesMax)
    throw new S3Failure('InvalidRequest', {
      message: `The specified copy source is larger than the maximum allowable size for a copy source: ${bodyBytesMax}`,
    });
}
