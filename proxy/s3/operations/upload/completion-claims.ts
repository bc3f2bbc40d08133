/** What a CompleteMultipartUpload claims of the object and its parts: held against how the upload was begun, and against what came of it. */
import type { Fields } from '../../../objects/index.ts';
import {
  type ChecksumAlgorithm,
  checksumAlgorithms,
  checksumBytes,
} from '../../body/checksum-algorithms.ts';
import { headerOf } from '../../body/declared-checksum.ts';
import type { ChecksumPlan, CompletedPart } from '../../body/multipart-checksum.ts';
import type { RequestHead } from '../../request-head.ts';
import { invalidArgument, S3Failure } from '../../s3-failure.ts';

const invalidRequest = (message: string) => new S3Failure('InvalidRequest', { message });

/** Before any part is looked at; without a plan the upload is not known any more, or was begun without a checksum. */
export function checkClaims(
  head: RequestHead,
  plan: ChecksumPlan | undefined,
  parts: readonly CompletedPart[],
): void {
  checkType(head, plan);
  checkWholeForm(head);
  checkSizeForm(head);
  for (const part of parts) {
    if (part.number < 1) throw invalidArgument('PartNumber', '0', 'PartNumber must be >= 1');
    checkPart(part, plan);
  }
}

function checkType(head: RequestHead, plan: ChecksumPlan | undefined): void {
  const type = head.headers.get('x-amz-checksum-type')?.toUpperCase();
  if (type === undefined) return;
  if (type !== 'COMPOSITE' && type !== 'FULL_OBJECT')
    throw invalidRequest('Value for x-amz-checksum-type header is invalid.');
  if (plan !== undefined && plan.type !== type)
    throw invalidRequest(
      `The upload was created using the ${plan.type} checksum mode. The complete request must use the same checksum mode.`,
    );
}

function checkWholeForm(head: RequestHead): void {
  const told = checksumAlgorithms.filter((name) => head.headers.has(headerOf(name)));
  if (told.length > 1)
    throw invalidRequest(
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  for (const name of told)
    if (!isChecksum(name, bare(head.headers.get(headerOf(name)) ?? '')))
      throw invalidRequest(`Value for ${headerOf(name)} header is invalid.`);
}

function checkSizeForm(head: RequestHead): void {
  const size = head.headers.get('x-amz-mp-object-size');
  if (size === undefined || /^\d{1,15}$/.test(size)) return;
  throw /^-\d{1,15}$/.test(size)
    ? invalidRequest(`Value for x-amz-mp-object-size header is less than zero: '${size}'`)
    : invalidRequest('Value for x-amz-mp-object-size header is invalid.');
}

function checkPart({ number, checksums }: CompletedPart, plan: ChecksumPlan | undefined): void {
  const told = checksumAlgorithms.filter((name) => checksums[name] !== undefined);
  const [name] = told;
  const isWellFormed =
    told.length < 2 && (name === undefined || isChecksum(name, checksums[name] ?? ''));
  if (!isWellFormed)
    throw invalidArgument(
      'Checksum',
      String(number),
      'Invalid Base64 or multiple checksums present in request',
    );
  if (plan === undefined) return;
  if (name !== undefined && name !== plan.algorithm)
    throw new S3Failure('BadDigest', {
      message: `The ${name} you specified for part ${number} did not match what we received.`,
    });
  if (name === undefined && plan.type === 'COMPOSITE')
    throw invalidRequest(
      `The upload was created using a ${plan.algorithm} checksum. The complete request must include the checksum for each part. It was missing for part ${number} in the request.`,
    );
}

function isChecksum(algorithm: ChecksumAlgorithm, text: string): boolean {
  const raw = Buffer.from(text, 'base64');
  return raw.length === checksumBytes[algorithm] && raw.toString('base64') === text;
}

/** SDKs send a composite checksum with or without its `-N`. */
function bare(checksum: string): string {
  return checksum.replace(/-\d+$/, '');
}

export function checkSize(head: RequestHead, size: number): void {
  const told = head.headers.get('x-amz-mp-object-size');
  if (told !== undefined && Number(told) !== size)
    throw invalidRequest(
      `The provided 'x-amz-mp-object-size' header value ${told} does not match what was computed: ${size}`,
    );
}

/** An upload begun without a checksum has none to compare with. */
export function checkWhole(
  head: RequestHead,
  plan: ChecksumPlan | undefined,
  checksums: Fields,
): void {
  if (plan === undefined) return;
  for (const name of checksumAlgorithms) {
    const told = head.headers.get(headerOf(name));
    if (told !== undefined && bare(told) !== bare(checksums[name] ?? ''))
      throw new S3Failure('BadDigest', {
        message: `The ${name.toUpperCase()} you specified did not match the calculated checksum.`,
      });
  }
}
