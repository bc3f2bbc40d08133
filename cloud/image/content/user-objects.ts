/** Objects of users as they are named in requests. */
import { isFailure } from '#common';
import { callerOf, type Request } from '../caller.ts';
import type { ImageCore } from '../core.ts';
import { invalid } from '../failures.ts';
import type { SourceObject } from './interfaces.ts';

/** The object of this cloud that a URI means; undefined when it means none. What the caller may not read is not there. */
export async function objectAt(
  core: ImageCore,
  request: Request,
  uri: string,
): Promise<SourceObject | undefined> {
  const token = String(request.headers['x-auth-token'] ?? '');
  const { projectId } = callerOf(request);
  try {
    return await core.objects?.find(uri, { token, projectId });
  } catch (error) {
    if (isFailure(error, 'missing'))
      throw invalid(`There is no such object that you may read: ${uri.slice(0, 255)}`);
    throw error;
  }
}
