/** A whole small request body (an XML document), bounded, with everything the client vouched for checked. */
import { createHash } from 'node:crypto';
import type { S3Request } from '../context.ts';
import { S3Failure } from '../s3-failure.ts';
import { openBody } from './open-body.ts';

export async function readDocument(request: S3Request, bytesMax: number): Promise<Buffer> {
  const opened = await openBody(request);
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of opened.body) {
    size += piece.length;
    if (size > bytesMax)
      throw new S3Failure('MaxMessageLengthExceeded', {
        details: { MaxMessageLengthBytes: String(bytesMax) },
      });
    pieces.push(piece);
  }
  const whole = Buffer.concat(pieces);
  if (opened.length !== undefined && opened.length !== size) throw new S3Failure('IncompleteBody');
  const md5 = opened.md5;
  if (md5 !== undefined && createHash('md5').update(whole).digest('hex') !== md5)
    throw new S3Failure('BadDigest', {
      message: 'The Content-MD5 you specified did not match what we received.',
    });
  return whole;
}
