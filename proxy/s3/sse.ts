/** Server-side encryption as requests ask for it and answers show it. */
import { createHash } from 'node:crypto';
import {
  type Container,
  customerMd5Field,
  type EncryptionWish,
  encryptionField,
  type Fields,
  keyNameField,
  type WriteKey,
} from '../objects/index.ts';
import { documentOf } from './config/bucket-document.ts';
import { encryptionDocument } from './config/simple-documents.ts';
import type { S3Request, S3Services } from './context.ts';
import type { RequestHead } from './request-head.ts';
import { invalidArgument, S3Failure } from './s3-failure.ts';

const sse = 'x-amz-server-side-encryption';
const kmsKey = `${sse}-aws-kms-key-id`;
const customer = `${sse}-customer`;

/** The key that the client keeps, from its three headers; `prefix` for those of a copy's source. */
export function customerKeyOf(head: RequestHead, prefix = 'x-amz-'): Buffer | undefined {
  const name = `${prefix}server-side-encryption-customer`;
  const algorithm = head.headers.get(`${name}-algorithm`);
  const key = head.headers.get(`${name}-key`);
  const md5 = head.headers.get(`${name}-key-md5`);
  if (algorithm === undefined && key === undefined && md5 === undefined) return undefined;
  if (algorithm === undefined)
    throw new S3Failure('InvalidArgument', {
      message:
        'Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.',
      details: { ArgumentName: `${name}-algorithm`, ArgumentValue: 'null' },
    });
  if (algorithm !== 'AES256')
    throw new S3Failure('InvalidEncryptionAlgorithmError', {
      details: { ArgumentName: `${name}-algorithm`, ArgumentValue: algorithm },
    });
  if (key === undefined || md5 === undefined)
    throw new S3Failure('InvalidArgument', {
      message:
        'Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key and the client calculated MD5 hash of the key.',
      details: { ArgumentName: `${name}-key`, ArgumentValue: 'null' },
    });
  const raw = Buffer.from(key, 'base64');
  if (raw.length !== 32)
    throw new S3Failure('InvalidArgument', {
      message: 'The secret key was invalid for the specified algorithm.',
      details: { ArgumentName: `${name}-key`, ArgumentValue: 'null' },
    });
  if (createHash('md5').update(raw).digest('base64') !== md5.trim())
    throw invalidArgument(
      `${name}-key-MD5`,
      md5,
      'The calculated MD5 hash of the key did not match the hash that was provided.',
    );
  return raw;
}

/** What the request, or else the bucket, wants of a body that is written. */
export async function writeKeyOf(
  request: S3Request,
  container: Container,
  services: S3Services,
): Promise<WriteKey | undefined> {
  const wish = wishOf(request.head) ?? defaultOf(container);
  return wish === undefined ? undefined : await services.objects.encryption.forWrite(wish);
}

/** Who reads says only a key of its own; to ask for another kind of encryption there is a mistake worth telling. */
export function refuseWishOfReader({ headers }: RequestHead): void {
  const kind = headers.get(sse);
  if (kind === undefined) return;
  throw invalidArgument(sse, kind, `${sse} header is not supported for this operation.`);
}

function wishOf(head: RequestHead): EncryptionWish | undefined {
  const customerKey = customerKeyOf(head);
  const kind = head.headers.get(sse);
  const keyId = head.headers.get(kmsKey);
  if (customerKey !== undefined) {
    if (kind !== undefined)
      throw invalidArgument(
        customer,
        '',
        'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
      );
    return { kind: 'SSE-C', customerKey };
  }
  if (kind === undefined && keyId === undefined) return undefined;
  if (kind === 'AES256') {
    if (keyId === undefined) return { kind };
    throw invalidArgument(
      kmsKey,
      keyId,
      `Server Side Encryption with AWS KMS managed key requires HTTP header ${sse} : aws:kms`,
    );
  }
  if (kind === 'aws:kms')
    return keyId === undefined || keyId === '' ? { kind } : { kind, keyName: keyId };
  if (kind === 'aws:kms:dsse') throw new S3Failure('NotImplemented', { details: { Header: sse } });
  throw invalidArgument(sse, kind ?? 'null', 'The encryption method specified is not supported');
}

function defaultOf(container: Container): EncryptionWish | undefined {
  const rule = documentOf(encryptionDocument, container);
  if (rule === undefined) return undefined;
  const { algorithm: kind, keyId } = rule;
  return keyId === undefined ? { kind } : { kind, keyName: keyId };
}

/** The headers that tell how an object is encrypted. */
export function encryptionHeaders(system: Fields): Record<string, string> {
  const kind = system[encryptionField];
  if (kind === undefined) return {};
  if (kind === 'SSE-C')
    return {
      [`${customer}-algorithm`]: 'AES256',
      [`${customer}-key-md5`]: system[customerMd5Field] ?? '',
    };
  const name = system[keyNameField];
  return { [sse]: kind, ...(kind === 'aws:kms' && name !== undefined ? { [kmsKey]: name } : {}) };
}
