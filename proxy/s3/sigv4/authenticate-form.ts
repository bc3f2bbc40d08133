/** Who signed a form's policy: signature version 4, or version 2 for old pages. */
import { createHmac } from 'node:crypto';
import { equalSignatures } from '../body/chunk-signature.ts';
import type { Caller, SignatureFacts } from '../context.ts';
import { S3Failure } from '../s3-failure.ts';
import type { AuthenticateOptions } from './authenticate.ts';
import { parseCredential } from './credential.ts';
import { findKey } from './find-key.ts';
import { parseAmzDate } from './request-time.ts';

export interface FormProof {
  readonly caller: Caller;
  readonly signature: SignatureFacts;
}

/** Undefined for a form without a policy, which nobody signed. */
export async function authenticateForm(
  fields: ReadonlyMap<string, string>,
  options: AuthenticateOptions,
): Promise<FormProof | undefined> {
  const policy = fields.get('policy');
  if (policy === undefined) return undefined;
  if (fields.has('x-amz-algorithm') || fields.has('x-amz-signature'))
    return await proveV4(fields, policy, options);
  return await proveV2(fields, policy, options);
}

function missing(name: string): S3Failure {
  return new S3Failure('InvalidArgument', {
    message: `Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`,
    details: { ArgumentName: name, ArgumentValue: '' },
  });
}

async function proveV4(
  fields: ReadonlyMap<string, string>,
  policy: string,
  options: AuthenticateOptions,
): Promise<FormProof> {
  const value = (name: string): string => {
    const text = fields.get(name);
    if (text === undefined) throw missing(name);
    return text;
  };
  if (value('x-amz-algorithm') !== 'AWS4-HMAC-SHA256')
    throw new S3Failure('InvalidArgument', {
      message: 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256".',
    });
  const refuse = (message: string) => new S3Failure('InvalidArgument', { message });
  const credential = parseCredential(value('x-amz-credential'), refuse);
  const atMs = parseAmzDate(value('x-amz-date'));
  if (atMs === undefined)
    throw new S3Failure('AccessDenied', { message: 'X-Amz-Date is not a time.' });
  const known = await findKey(credential.accessKey, fields.get('x-amz-security-token'), options);
  const key = options.keys.get(credential, known.secret);
  if (!equalSignatures(key.sign(policy), value('x-amz-signature')))
    throw new S3Failure('SignatureDoesNotMatch');
  const ageMs = options.clock.nowUs() / 1000 - atMs;
  return { caller: known.caller, signature: { version: 'AWS4-HMAC-SHA256', kind: 'POST', ageMs } };
}

async function proveV2(
  fields: ReadonlyMap<string, string>,
  policy: string,
  options: AuthenticateOptions,
): Promise<FormProof> {
  const accessKey = fields.get('awsaccesskeyid');
  const signature = fields.get('signature');
  if (accessKey === undefined) throw missing('AWSAccessKeyId');
  if (signature === undefined) throw missing('signature');
  const known = await findKey(accessKey, fields.get('x-amz-security-token'), options);
  const right = createHmac('sha1', known.secret).update(policy).digest('base64');
  if (!equalSignatures(right, signature)) throw new S3Failure('SignatureDoesNotMatch');
  return { caller: known.caller, signature: { version: 'AWS', kind: 'POST', ageMs: 0 } };
}
