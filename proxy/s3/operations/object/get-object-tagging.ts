/** GetObjectTagging: nothing here sets tags, so an object that is there has none. Clients ask before they copy in parts. */
import { openBucket } from '../../access.ts';
import type { Operation } from '../../context.ts';
import { xmlReply } from '../../reply.ts';
import { checkVersionId } from '../../version-id.ts';
import { s3Document } from '../../xml/write.ts';

export const getObjectTagging: Operation = async (request, services) => {
  const container = await openBucket(request, services, 'get');
  checkVersionId(request.query.get('versionId'));
  await services.objects.objects.head({ container, name: request.key });
  return xmlReply(200, s3Document('Tagging', '<TagSet></TagSet>'));
};
