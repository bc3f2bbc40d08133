/** Requests that name something which is elsewhere, or nowhere: refused with the words that tell what was meant. */
import type { RequestHead } from './request-head.ts';
import type { Level } from './routes.ts';
import { invalidArgument, S3Failure } from './s3-failure.ts';

/** 405, with the methods that there are. */
export function methodNotAllowed(method: string, resource: string, allow: string): S3Failure {
  return new S3Failure('MethodNotAllowed', {
    details: { Method: method, ResourceType: resource.toUpperCase() },
    headers: allow === '' ? {} : { allow },
  });
}

export function isMethodRefusal(error: unknown): boolean {
  return error instanceof S3Failure && error.s3Code === 'MethodNotAllowed';
}

/** Listings of a bucket that are asked of a key. */
const ofBuckets: ReadonlyMap<string, string> = new Map([
  ['uploads', 'Key is not expected for the GET method ?uploads subresource'],
  ['versions', 'There is no such thing as the ?versions sub-resource for a key'],
]);

/** Taken for the operation without what is misplaced, each of these would do something that nobody meant. */
export function refuseMisplaced(
  { method, headers }: RequestHead,
  level: Level,
  query: ReadonlyMap<string, string>,
): void {
  const source = headers.get('x-amz-copy-source');
  if (source !== undefined && !mayCopy(method, query))
    throw invalidArgument(
      'x-amz-copy-source',
      source,
      'You can only specify a copy source header for copy requests.',
    );
  if (level !== 'object' || query.size === 0) return;
  if (method === 'PUT' && query.has('uploadId') && !query.has('partNumber'))
    throw methodNotAllowed(method, 'UPLOAD', 'DELETE, POST, GET');
  if (method !== 'GET') return;
  for (const [name, message] of ofBuckets)
    if (query.has(name)) throw new S3Failure('InvalidRequest', { message });
}

function mayCopy(method: string, query: ReadonlyMap<string, string>): boolean {
  return method === 'PUT' || (method === 'POST' && !query.has('uploadId'));
}
