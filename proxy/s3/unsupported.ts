/** Headers and parameters that change what a write means and that are not served, or make no sense: refused, never ignored. */
import type { S3Request } from './context.ts';
import { invalidArgument, S3Failure } from './s3-failure.ts';

interface Unserved {
  /** A whole name, or with `*` at its end a prefix. */
  readonly header: string;
  /** Values that mean what happens anyway. */
  readonly fine?: readonly string[];
}

const unserved: readonly Unserved[] = [
  { header: 'x-amz-write-offset-bytes' },
  { header: 'x-amz-rename-*' },
];

function names(entry: Unserved, header: string): boolean {
  return entry.header.endsWith('*')
    ? header.startsWith(entry.header.slice(0, -1))
    : header === entry.header;
}

export function refuseUnsupported({ head, query }: S3Request): void {
  // Somebody's part, sent without its upload, would replace the object.
  if (query.has('partNumber'))
    throw invalidArgument(
      'partNumber',
      query.get('partNumber') ?? '',
      'This operation does not accept partNumber without uploadId',
    );
  for (const [header, value] of head.headers) {
    if (!header.startsWith('x-amz-')) continue;
    const entry = unserved.find((candidate) => names(candidate, header));
    if (entry !== undefined && entry.fine?.includes(value.trim()) !== true)
      throw new S3Failure('NotImplemented', {
        message: 'A header you provided implies functionality that is not implemented',
        details: { Header: header },
      });
  }
}
