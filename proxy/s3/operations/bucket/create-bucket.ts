/** CreateBucket: a container whose name is taken out of the namespace that all projects share. */
import { isFailure } from '#common';
import type { Fields } from '../../../objects/index.ts';
import { aclField, encodeAcl } from '../../access/acl.ts';
import { aclOfHeaders } from '../../access/acl-document.ts';
import { ownershipField, ownerships } from '../../access/bucket-rights.ts';
import { mayInProject, ownerId, signedCaller } from '../../access.ts';
import { isBucketName } from '../../address.ts';
import { readDocument } from '../../body/read-document.ts';
import { lockWithoutDefault, objectLockDocument } from '../../config/object-lock.ts';
import { taggingDocument } from '../../config/simple-documents.ts';
import { bucketTagsMax, checkTags, renderTagSet } from '../../config/tags.ts';
import type { Operation, S3Request, S3Services } from '../../context.ts';
import { emptyReply } from '../../reply.ts';
import { invalidArgument, S3Failure } from '../../s3-failure.ts';
import { parseXml, type XmlNode } from '../../xml/parse.ts';

export const createBucket: Operation = async (request, services) => {
  const caller = signedCaller(request);
  const { bucket } = request;
  if (!isBucketName(bucket))
    throw new S3Failure('InvalidBucketName', { details: { BucketName: bucket } });
  if (!mayInProject(request, caller, 's3:CreateBucket')) throw new S3Failure('AccessDenied');
  const { tags, policy } = await configurationOf(request, services);
  const system = {
    ...tags,
    ...(await headerFields(request, services, ownerId(caller.account))),
  };
  const wanted = {
    account: caller.account,
    name: bucket,
    globalName: true,
    exclusive: true,
    system,
    ...(policy === undefined ? {} : { policy }),
  };
  try {
    await services.objects.containers.create(wanted);
  } catch (error) {
    throw renamed(error, bucket);
  }
  return emptyReply(200, { location: `/${bucket}` });
};

function renamed(error: unknown, bucket: string): unknown {
  const details = { BucketName: bucket };
  if (isFailure(error, 'conflict') && error.code === 'container-exists')
    return new S3Failure('BucketAlreadyOwnedByYou', { details, cause: error });
  if (isFailure(error, 'conflict') && error.code === 'container-name-taken')
    return new S3Failure('BucketAlreadyExists', { details, cause: error });
  return error;
}

async function headerFields(
  request: S3Request,
  services: S3Services,
  owner: string,
): Promise<Fields> {
  const { headers } = request.head;
  const ownership = headers.get('x-amz-object-ownership');
  if (ownership !== undefined && !ownerships.some((known) => known === ownership))
    throw invalidArgument(
      'x-amz-object-ownership',
      ownership,
      'Invalid x-amz-object-ownership header',
    );
  const acl = await aclOfHeaders(request, services, { owner, bucketOwner: owner });
  if (ownership === 'BucketOwnerEnforced' && acl !== undefined && acl.grants.length > 1)
    throw new S3Failure('InvalidBucketAclWithObjectOwnership');
  const lock = headers.get('x-amz-bucket-object-lock-enabled')?.toLowerCase() === 'true';
  return {
    ...(ownership === undefined ? {} : { [ownershipField]: ownership }),
    ...(acl === undefined ? {} : { [aclField]: encodeAcl(acl) }),
    ...(lock ? { versioning: 'enabled', [objectLockDocument.field]: lockWithoutDefault } : {}),
  };
}

interface Configuration {
  readonly tags: Fields;
  readonly policy?: string;
}

/**
 * `CreateBucketConfiguration` may name the region; where one is configured it must be that one. Behind a colon may stand the storage
 * policy, as with RADOS Gateway: `REGION:POLICY`, or `:POLICY`.
 */
async function configurationOf(
  request: S3Request,
  { settings, objects }: S3Services,
): Promise<Configuration> {
  const document = await readDocument(request, settings.documentBytesMax);
  if (document.length === 0) return { tags: {} };
  const configuration = parseXml(document, { roots: ['CreateBucketConfiguration'], tagsMax: 500 });
  const [place = '', policy] = (configuration.childText('LocationConstraint')?.trim() ?? '').split(
    ':',
  );
  if (configuration.children('Bucket').length > 0) throw new S3Failure('NotImplemented');
  if (place !== '' && settings.region !== '' && place !== settings.region)
    throw new S3Failure('IllegalLocationConstraintException', {
      message: `The ${place} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    });
  const tags = tagsOfConfiguration(configuration);
  if (policy === undefined) return { tags };
  if (!objects.codingPolicies.some(({ name }) => name === policy))
    throw invalidArgument('LocationConstraint', policy, 'There is no such storage policy');
  return { tags, policy };
}

function tagsOfConfiguration(configuration: XmlNode): Fields {
  const nodes = configuration.children('Tags')[0]?.children('Tag') ?? [];
  if (nodes.length === 0) return {};
  const tags = nodes.map(
    (node) => [node.childText('Key') ?? '', node.childText('Value') ?? ''] as const,
  );
  checkTags(tags, bucketTagsMax);
  return { [taggingDocument.field]: renderTagSet(tags) };
}
