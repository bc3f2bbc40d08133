/** GetObject: the object, a range of it, or one of its parts. */
import { openBucket } from '../../access.ts';
import type { Operation } from '../../context.ts';
import { planServing } from '../../serve-object.ts';
import { checkVersionId } from '../../version-id.ts';
import { openWhole } from '../../whole-object.ts';

export const getObject: Operation = async (request, services) => {
  const container = await openBucket(request, services, 'get');
  checkVersionId(request.query.get('versionId'));
  const found = await openWhole({ container, name: request.key }, request, services);
  const { status, headers, range } = planServing(request, found.info);
  if (status === 304) return { status, headers };
  if (range.length === 0) return { status, headers, body: '' };
  const { offset, length } = range;
  const body = found.inline?.subarray(offset, offset + length) ?? found.read(offset, length);
  return { status, headers, body };
};
