/** HeadObject: what GetObject would say, without the bytes. */
import type { Operation } from '../../context.ts';
import { describeObject, readWanted } from '../../find-object.ts';
import { planServing } from '../../serve-object.ts';
import { refuseWishOfReader } from '../../sse.ts';

export const headObject: Operation = async (request, services) => {
  refuseWishOfReader(request.head);
  const wanted = readWanted(request, 's3:GetObject', 's3:GetObjectVersion');
  const { container, object } = await describeObject(wanted, request, services);
  const { status, headers } = planServing(request, container, object);
  return { status, headers };
};
