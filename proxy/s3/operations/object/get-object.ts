/** GetObject: the object, a range of it, or one of its parts. */
import type { Operation } from '../../context.ts';
import { openObject, readWanted } from '../../find-object.ts';
import { planServing } from '../../serve-object.ts';
import { refuseWishOfReader } from '../../sse.ts';

export const getObject: Operation = async (request, services) => {
  refuseWishOfReader(request.head);
  const wanted = readWanted(request, 's3:GetObject', 's3:GetObjectVersion');
  const { container, object } = await openObject(wanted, request, services);
  const { status, headers, range } = planServing(request, container, object.info);
  if (status === 304) return { status, headers };
  if (range.length === 0) return { status, headers, body: '' };
  const { offset, length } = range;
  const body = object.inline?.subarray(offset, offset + length) ?? object.read(offset, length);
  return { status, headers, body };
};
