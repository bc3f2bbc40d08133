/** HeadObject: what GetObject would say, without the bytes. */
import { openBucket } from '../../access.ts';
import type { Operation } from '../../context.ts';
import { planServing } from '../../serve-object.ts';
import { checkVersionId } from '../../version-id.ts';
import { describeWhole } from '../../whole-object.ts';

export const headObject: Operation = async (request, services) => {
  const container = await openBucket(request, services, 'get');
  checkVersionId(request.query.get('versionId'));
  const info = await describeWhole({ container, name: request.key }, request, services);
  const { status, headers } = planServing(request, info);
  return { status, headers };
};
