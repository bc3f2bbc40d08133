/** A browser's upload form, as a stream: the fields up to the file, and the file as it comes. What follows the file is dropped. */
import { Readable } from 'node:stream';
import type { BusboyHeaders } from '@fastify/busboy';
import { Failure } from '#common';
import type { S3Request } from '../context.ts';
import { S3Failure } from '../s3-failure.ts';

export interface UploadForm {
  /** Lower-case names; the first of repeated ones. */
  readonly fields: ReadonlyMap<string, string>;
  readonly filename: string;
  readonly contentType: string;
  readonly file: AsyncIterable<Buffer>;
}

const fieldsMax = 100;
const fieldBytesMax = 20_480;
const fieldBytesTotalMax = 65_536;

function malformed(cause?: unknown): S3Failure {
  return new S3Failure('MalformedPOSTRequest', { cause });
}

/** The parser's own complaints are about the form; what went wrong on the wire keeps its name. */
async function* whole(file: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* file;
  } catch (error) {
    throw error instanceof Failure ? error : malformed(error);
  }
}

/** Some clients give every field a file name: what the field is called decides. */
const isFile = (name: string | undefined): boolean => name?.toLowerCase() === 'file';

export async function readForm(request: S3Request): Promise<UploadForm> {
  const type = request.head.headers.get('content-type') ?? '';
  if (!/^multipart\/form-data\s*;.*boundary=/i.test(type))
    throw new S3Failure('PreconditionFailed', {
      message: 'At least one of the pre-conditions you specified did not hold',
      details: { Condition: 'Bucket POST must be of the enclosure-type multipart/form-data' },
    });
  const { Busboy } = await import('@fastify/busboy');
  const headers: BusboyHeaders = { 'content-type': type };
  const limits = {
    fields: fieldsMax,
    fieldSize: fieldBytesMax,
    files: 1,
    parts: fieldsMax + 2,
    headerPairs: 20,
  };
  let parser: InstanceType<typeof Busboy>;
  try {
    parser = new Busboy({ headers, limits, isPartAFile: isFile });
  } catch (cause) {
    throw malformed(cause);
  }
  const fields = new Map<string, string>();
  let bytes = 0;
  const source = Readable.from(request.wire, { objectMode: false });
  return await new Promise<UploadForm>((resolve, reject) => {
    const fail = (error: unknown): void => {
      source.unpipe(parser);
      reject(error instanceof S3Failure ? error : malformed(error));
    };
    parser.on('field', (name, value, _nameCut, valueCut) => {
      bytes += name.length + value.length;
      if (valueCut || bytes > fieldBytesTotalMax)
        fail(new S3Failure('MaxPostPreDataLengthExceededError'));
      const key = name.toLowerCase();
      if (!fields.has(key)) fields.set(key, value);
    });
    parser.on('file', (_name, file, filename, _encoding, mimetype) => {
      // A form that ends inside the file is said by an event alone: without a listener it would end the process, and a
      // reader that came later would take what there is for the whole file.
      file.on('error', (error) => file.destroy(error));
      // What goes wrong on the wire later is met by whoever reads the file.
      source.on('error', (error) => file.destroy(error));
      resolve({ fields, filename: filename ?? '', contentType: mimetype, file: whole(file) });
    });
    parser.on('finish', () =>
      fail(
        new S3Failure('InvalidArgument', {
          message: 'POST requires exactly one file upload per request.',
          details: { ArgumentName: 'file', ArgumentValue: '0' },
        }),
      ),
    );
    parser.on('error', fail);
    source.on('error', fail);
    source.pipe(parser);
  });
}
