/** GetObjectAttributes: the asked-for facts of an object, without its bytes. */
import type { ObjectInfo } from '../../../objects/index.ts';
import { checksumAlgorithms } from '../../body/checksum-algorithms.ts';
import { partChecksumsField } from '../../body/multipart-checksum.ts';
import { checksumElements } from '../../checksum-headers.ts';
import { judge, readConditions } from '../../conditions.ts';
import type { Operation, S3Request } from '../../context.ts';
import { describeObject, readWanted } from '../../find-object.ts';
import { httpDate } from '../../http-date.ts';
import { xmlReply } from '../../reply.ts';
import { invalidArgument, S3Failure } from '../../s3-failure.ts';
import { versionHeader } from '../../serve-object.ts';
import { storageClassOf } from '../../storage-class.ts';
import { element, s3Document, wrap } from '../../xml/write.ts';

const knownAttributes = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const;
type Attribute = (typeof knownAttributes)[number];

export const getObjectAttributes: Operation = async (request, services) => {
  const attributes = parseAttributes(request);
  pageOf(request);
  const wanted = readWanted(request, 's3:GetObjectAttributes', 's3:GetObjectVersionAttributes');
  const { object: info } = await describeObject(wanted, request, services);
  if (judge(readConditions(request.head), info) !== 'go') throw new S3Failure('PreconditionFailed');
  const inner = attributes.map((attribute) => render[attribute](info, request)).join('');
  const headers = { 'last-modified': httpDate(info.modifiedUs), ...versionHeader(info) };
  return xmlReply(200, s3Document('GetObjectAttributesResponse', inner), headers);
};

function parseAttributes(request: S3Request): readonly Attribute[] {
  const header = request.head.headers.get('x-amz-object-attributes') ?? '';
  if (header === '')
    throw new S3Failure('InvalidRequest', {
      message:
        'The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty',
    });
  const words = header.split(',').map((word) => word.trim());
  for (const word of words)
    if (!knownAttributes.some((name) => name === word))
      throw invalidArgument('x-amz-object-attributes', header, 'Invalid attribute name specified.');
  return knownAttributes.filter((name) => words.includes(name));
}

const render: Readonly<Record<Attribute, (info: ObjectInfo, request: S3Request) => string>> = {
  ETag: (info) => element('ETag', info.etag),
  Checksum: (info) => {
    const inner = checksumElements(info.checksums, true);
    return inner === '' ? '' : wrap('Checksum', inner);
  },
  ObjectParts: renderParts,
  StorageClass: ({ system }) => element('StorageClass', storageClassOf(system)),
  ObjectSize: (info) => element('ObjectSize', info.size),
};

function renderParts(info: ObjectInfo, request: S3Request): string {
  if (info.parts === undefined) return '';
  const { marker, limit } = pageOf(request);
  const rest = info.parts.slice(marker);
  const shown = rest.slice(0, limit);
  const inner =
    element('PartsCount', info.parts.length) +
    element('PartNumberMarker', marker) +
    element('NextPartNumberMarker', marker + shown.length) +
    element('MaxParts', limit) +
    element('IsTruncated', shown.length < rest.length) +
    shown
      .map((part, at) =>
        wrap(
          'Part',
          element('PartNumber', marker + at + 1) +
            element('Size', part.size) +
            partChecksum(info, marker + at),
        ),
      )
      .join('');
  return wrap('ObjectParts', inner);
}

function pageOf(request: S3Request) {
  return {
    marker: headerNumber(request, 'x-amz-part-number-marker', 0),
    limit: Math.min(headerNumber(request, 'x-amz-max-parts', 1000), 1000),
  };
}

function partChecksum({ checksums }: ObjectInfo, at: number): string {
  const algorithm = checksumAlgorithms.find((name) => checksums[name] !== undefined);
  const value = checksums[partChecksumsField]?.split(',')[at];
  if (algorithm === undefined || value === undefined) return '';
  return element(`Checksum${algorithm.toUpperCase()}`, value);
}

function headerNumber(request: S3Request, name: string, otherwise: number): number {
  const text = request.head.headers.get(name);
  if (text === undefined) return otherwise;
  if (!/^\d{1,9}$/.test(text)) throw invalidArgument(name, text, 'A whole number is expected.');
  return Number(text);
}
