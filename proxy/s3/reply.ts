/** Shapes of answers. */
import type { Headers, S3Reply } from './context.ts';

export function xmlReply(status: number, document: string, headers: Headers = {}): S3Reply {
  return { status, headers: { 'content-type': 'application/xml', ...headers }, body: document };
}

export function emptyReply(status: number, headers: Headers = {}): S3Reply {
  return { status, headers };
}
