/** Object lock: a bucket's default, and what requests ask for a version. */

import type { Container } from '../../objects/index.ts';
import { type Fields, legalHoldField, lockModeField, lockUntilField } from '../../objects/index.ts';
import type { S3Request } from '../context.ts';
import { invalidArgument, S3Failure } from '../s3-failure.ts';
import type { XmlNode } from '../xml/parse.ts';
import { element, optionalElement, wrap } from '../xml/write.ts';
import {
  type BucketDocument,
  documentOf,
  malformed,
  onlyChild,
  wholeNumber,
  wordOf,
} from './bucket-document.ts';

export type LockMode = 'GOVERNANCE' | 'COMPLIANCE';
const modes = ['GOVERNANCE', 'COMPLIANCE'] as const;

export interface ObjectLock {
  readonly retention:
    | {
        readonly mode: LockMode;
        readonly days: number | undefined;
        readonly years: number | undefined;
      }
    | undefined;
}

export const objectLockDocument: BucketDocument<ObjectLock> = {
  field: 's3-object-lock',
  root: 'ObjectLockConfiguration',
  tagsMax: 40,
  actions: {
    get: 's3:GetBucketObjectLockConfiguration',
    put: 's3:PutBucketObjectLockConfiguration',
  },
  absent: { error: 'ObjectLockConfigurationNotFoundError' },
  parse: parseLock,
  render: renderLock,
  check: (_, { container }) => {
    if (container.system.versioning === 'enabled') return;
    throw new S3Failure('InvalidBucketState', {
      message:
        'Object Lock configuration cannot be enabled on existing buckets without versioning.',
    });
  },
};

export const lockWithoutDefault = element('ObjectLockEnabled', 'Enabled');

function parseLock(root: XmlNode): ObjectLock {
  wordOf(root.childText('ObjectLockEnabled'), ['Enabled']);
  const rule = onlyChild(root, 'Rule');
  if (rule === undefined) return { retention: undefined };
  const retention = onlyChild(rule, 'DefaultRetention');
  if (retention === undefined) throw malformed();
  const mode = wordOf(retention.childText('Mode'), modes);
  const [days, years] = [period(retention, 'Days', 36_500), period(retention, 'Years', 100)];
  if ((days === undefined) === (years === undefined)) throw malformed();
  return { retention: { mode, days, years } };
}

function period(node: XmlNode, name: string, max: number): number | undefined {
  if (node.children(name).length === 0) return undefined;
  const value = wholeNumber(node.childText(name));
  if (value <= 0 || value > max)
    throw new S3Failure('InvalidRetentionPeriod', {
      message: `Default retention period must be a positive integer value of at most ${max}.`,
    });
  return value;
}

function renderLock({ retention }: ObjectLock): string {
  if (retention === undefined) return lockWithoutDefault;
  const inner =
    element('Mode', retention.mode) +
    optionalElement('Days', retention.days) +
    optionalElement('Years', retention.years);
  return lockWithoutDefault + wrap('Rule', wrap('DefaultRetention', inner));
}

export function hasLock(container: Container): boolean {
  return container.system[objectLockDocument.field] !== undefined;
}

/** `ObjectLockConfiguration` is missing where a request needs it. */
export function checkHasLock(container: Container): void {
  if (!hasLock(container))
    throw new S3Failure('InvalidRequest', {
      message: 'Bucket is missing Object Lock Configuration',
    });
}

/** The lock fields of a new version: what the request asks for, or the bucket's default. */
export function lockOfWrite(request: S3Request, container: Container): Fields {
  const { headers } = request.head;
  const mode = headers.get('x-amz-object-lock-mode');
  const until = headers.get('x-amz-object-lock-retain-until-date');
  const hold = headers.get('x-amz-object-lock-legal-hold');
  const fields: Record<string, string> = {};
  checkBoth(mode, until);
  if ((mode ?? hold) !== undefined && !hasLock(container))
    throw new S3Failure('InvalidRequest', { message: 'Bucket is missing ObjectLockConfiguration' });
  if (hold !== undefined) {
    if (hold !== 'ON' && hold !== 'OFF')
      throw invalidArgument(
        'x-amz-object-lock-legal-hold',
        hold,
        "Legal Hold must be either of 'ON' or 'OFF'",
      );
    fields[legalHoldField] = hold;
  }
  if (mode !== undefined && until !== undefined) {
    if (!modes.some((known) => known === mode))
      throw invalidArgument('x-amz-object-lock-mode', mode, 'Unknown wormMode directive.');
    fields[lockModeField] = mode;
    fields[lockUntilField] = untilSeconds(until, request.nowMs);
    return fields;
  }
  const retention = documentOf(objectLockDocument, container)?.retention;
  if (retention === undefined) return fields;
  const days = retention.days ?? (retention.years ?? 0) * 365;
  fields[lockModeField] = retention.mode;
  fields[lockUntilField] = String(Math.ceil(request.nowMs / 1000) + days * 86_400);
  return fields;
}

function checkBoth(mode: string | undefined, until: string | undefined): void {
  if ((mode === undefined) === (until === undefined)) return;
  throw invalidArgument(
    mode === undefined ? 'x-amz-object-lock-mode' : 'x-amz-object-lock-retain-until-date',
    '',
    'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied',
  );
}

/** A date in the future, as seconds. */
export function untilSeconds(text: string, nowMs: number): string {
  const ms = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms))
    throw invalidArgument(
      'x-amz-object-lock-retain-until-date',
      text,
      'The retain until date must be provided in ISO 8601 format',
    );
  if (ms <= nowMs)
    throw invalidArgument(
      'x-amz-object-lock-retain-until-date',
      text,
      'The retain until date must be in the future!',
    );
  return String(Math.ceil(ms / 1000));
}

export function untilDate(seconds: string): string {
  return new Date(Number(seconds) * 1000).toISOString();
}

export function lockHeaders(system: Fields): Record<string, string> {
  const headers: Record<string, string> = {};
  const { [lockModeField]: mode, [lockUntilField]: until, [legalHoldField]: hold } = system;
  if (mode !== undefined && until !== undefined) {
    headers['x-amz-object-lock-mode'] = mode;
    headers['x-amz-object-lock-retain-until-date'] = untilDate(until);
  }
  if (hold !== undefined) headers['x-amz-object-lock-legal-hold'] = hold;
  return headers;
}
