/** GetBucketVersioning and PutBucketVersioning. */
import { versioningOf, withVersioning } from '../../../objects/index.ts';
import { openBucket } from '../../access.ts';
import { readDocument } from '../../body/read-document.ts';
import { hasLock } from '../../config/object-lock.ts';
import type { Operation } from '../../context.ts';
import { emptyReply, xmlReply } from '../../reply.ts';
import { S3Failure } from '../../s3-failure.ts';
import { parseXml } from '../../xml/parse.ts';
import { element, s3Document } from '../../xml/write.ts';

export const getBucketVersioning: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:GetBucketVersioning');
  const state = versioningOf(container);
  const status = state === 'enabled' ? 'Enabled' : 'Suspended';
  const inner = state === 'off' ? '' : element('Status', status);
  return xmlReply(200, s3Document('VersioningConfiguration', inner));
};

export const putBucketVersioning: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:PutBucketVersioning');
  const document = await readDocument(request, services.settings.documentBytesMax);
  const root = parseXml(document, { roots: ['VersioningConfiguration'], tagsMax: 20 });
  const status = root.childText('Status')?.trim();
  const deletion = root.childText('MfaDelete')?.trim();
  if (deletion === 'Enabled' || request.head.headers.has('x-amz-mfa'))
    throw new S3Failure('NotImplemented', { message: 'MFA delete is not implemented.' });
  if (status === undefined || status === '')
    throw new S3Failure('IllegalVersioningConfigurationException');
  if (status !== 'Enabled' && status !== 'Suspended') throw new S3Failure('MalformedXML');
  if (status === 'Suspended' && hasLock(container))
    throw new S3Failure('InvalidBucketState', {
      message:
        'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
    });
  const state = status === 'Enabled' ? 'enabled' : 'suspended';
  await services.objects.containers.update(container.account, container.name, ({ system }) => ({
    system: withVersioning(system, state),
  }));
  return emptyReply(200);
};
