/** The policy that a form's signer signed: until when, and what its fields may say. Pure. */
import { S3Failure } from '../s3-failure.ts';

export interface PostPolicy {
  readonly expiresMs: number;
  readonly conditions: readonly PostCondition[];
  readonly lengths: { readonly min: number; readonly max: number } | undefined;
}

interface PostCondition {
  readonly kind: 'eq' | 'starts-with';
  readonly field: string;
  readonly value: string;
}

const conditionsMax = 200;

function invalid(message: string): S3Failure {
  return new S3Failure('InvalidPolicyDocument', { message: `Invalid Policy: ${message}` });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function parsePostPolicy(base64: string): PostPolicy {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(base64, 'base64').toString('utf8'));
  } catch {
    throw invalid('Invalid JSON.');
  }
  if (!isObject(document)) throw invalid('Invalid JSON.');
  const { expiration, conditions } = document;
  const expiresMs =
    typeof expiration === 'string' && /^\d{4}-\d\d-\d\dT/.test(expiration)
      ? Date.parse(expiration)
      : Number.NaN;
  if (Number.isNaN(expiresMs)) throw invalid("Invalid 'expiration' value.");
  if (!Array.isArray(conditions)) throw invalid("Invalid 'conditions' value.");
  if (conditions.length > conditionsMax) throw invalid('Too many conditions.');
  const list: PostCondition[] = [];
  let lengths: PostPolicy['lengths'];
  for (const condition of conditions) {
    const range = lengthRange(condition);
    if (range === undefined) list.push(...parseCondition(condition));
    else lengths = range;
  }
  return { expiresMs, conditions: list, lengths };
}

function lengthRange(value: unknown): PostPolicy['lengths'] {
  if (!Array.isArray(value) || String(value[0]).toLowerCase() !== 'content-length-range')
    return undefined;
  const [min, max] = value.slice(1).map(Number);
  if (
    value.length !== 3 ||
    !Number.isInteger(min) ||
    !Number.isInteger(max) ||
    min === undefined ||
    max === undefined ||
    min < 0
  )
    throw invalid('Invalid content-length-range.');
  return { min, max };
}

function parseCondition(value: unknown): readonly PostCondition[] {
  if (isObject(value)) {
    const entries = Object.entries(value);
    if (entries.length !== 1)
      throw invalid(
        'Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.',
      );
    return entries.map(([field, text]) => {
      if (typeof text !== 'string') throw invalid('Invalid Simple-Condition.');
      return { kind: 'eq', field: field.toLowerCase(), value: text };
    });
  }
  if (!Array.isArray(value) || value.length !== 3) throw invalid('Invalid Condition.');
  const [kind, field, text]: unknown[] = value;
  const word = String(kind).toLowerCase();
  if (typeof field !== 'string' || typeof text !== 'string' || !field.startsWith('$'))
    throw invalid('Invalid Condition.');
  if (word !== 'eq' && word !== 'starts-with') throw invalid(`Unknown operation ${word}.`);
  return [{ kind: word, field: field.slice(1).toLowerCase(), value: text }];
}

/** Fields that no condition has to name. */
const free =
  /^(x-amz-signature|x-amz-security-token|signature|awsaccesskeyid|file|policy|x-ignore-.*)$/;

export function checkPostPolicy(
  policy: PostPolicy,
  fields: ReadonlyMap<string, string>,
  { bucket, nowMs }: { readonly bucket: string; readonly nowMs: number },
): void {
  const refuse = (message: string): S3Failure =>
    new S3Failure('AccessDenied', { message: `Invalid according to Policy: ${message}` });
  if (policy.expiresMs < nowMs) throw refuse('Policy expired.');
  const given = (field: string): string | undefined =>
    field === 'bucket' ? bucket : fields.get(field);
  for (const { kind, field, value } of policy.conditions) {
    const actual = given(field) ?? '';
    const words = kind === 'starts-with' && field === 'content-type' ? actual.split(',') : [actual];
    const holds =
      kind === 'eq' ? actual === value : words.every((word) => word.trimStart().startsWith(value));
    if (!holds) throw refuse(`Policy Condition failed: ["${kind}", "$${field}", "${value}"]`);
  }
  const named = new Set(policy.conditions.map(({ field }) => field));
  for (const field of [...fields.keys(), 'bucket'])
    if (!named.has(field) && !free.test(field)) throw refuse(`Extra input fields: ${field}`);
}

/** The file as it comes, within the policy's bounds. */
export async function* withinLengths(
  file: AsyncIterable<Buffer>,
  lengths: PostPolicy['lengths'],
): AsyncGenerator<Buffer, void, undefined> {
  let size = 0;
  for await (const piece of file) {
    size += piece.length;
    if (lengths !== undefined && size > lengths.max)
      throw new S3Failure('EntityTooLarge', {
        details: { ProposedSize: String(size), MaxSizeAllowed: String(lengths.max) },
      });
    yield piece;
  }
  if (lengths !== undefined && size < lengths.min)
    throw new S3Failure('EntityTooSmall', {
      details: { ProposedSize: String(size), MinSizeAllowed: String(lengths.min) },
    });
}
