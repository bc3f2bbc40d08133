/** The shorter documents: ownership, public access, tags, request payment, encryption. */
import { type Ownership, ownerships } from '../access/bucket-rights.ts';
import { S3Failure } from '../s3-failure.ts';
import type { XmlNode } from '../xml/parse.ts';
import { element, optionalElement, wrap } from '../xml/write.ts';
import { type BucketDocument, malformed, onlyChild, wordOf } from './bucket-document.ts';
import { bucketTagsMax, parseTagSet, renderTagSet, type TagList } from './tags.ts';

export const taggingDocument: BucketDocument<TagList> = {
  field: 's3-tagging',
  root: 'Tagging',
  tagsMax: 500,
  actions: { get: 's3:GetBucketTagging', put: 's3:PutBucketTagging' },
  absent: { error: 'NoSuchTagSet' },
  parse: (root) => parseTagSet(root, bucketTagsMax),
  render: renderTagSet,
};

export type Payer = 'BucketOwner' | 'Requester';

export const requestPaymentDocument: BucketDocument<Payer> = {
  field: 's3-request-payment',
  root: 'RequestPaymentConfiguration',
  tagsMax: 20,
  actions: { get: 's3:GetBucketRequestPayment', put: 's3:PutBucketRequestPayment' },
  absent: { inner: element('Payer', 'BucketOwner') },
  parse: (root) => wordOf(root.childText('Payer'), ['BucketOwner', 'Requester'] as const),
  render: (payer) => element('Payer', payer),
  check: (payer) => {
    // Nobody is billed here, so nobody else can be.
    if (payer === 'Requester')
      throw new S3Failure('NotImplemented', { message: 'Requester pays is not implemented.' });
  },
};

export const accelerateDocument: BucketDocument<'Enabled' | 'Suspended'> = {
  field: 's3-accelerate',
  root: 'AccelerateConfiguration',
  tagsMax: 20,
  actions: { get: 's3:GetAccelerateConfiguration', put: 's3:PutAccelerateConfiguration' },
  absent: { inner: '' },
  parse: (root) => wordOf(root.childText('Status'), ['Enabled', 'Suspended'] as const),
  render: (status) => element('Status', status),
  check: (status) => {
    if (status === 'Enabled')
      throw new S3Failure('NotImplemented', { message: 'There are no edge locations here.' });
  },
};

/** Kept as a list of words by `access/bucket-rights.ts`, and shown from it. */
export const publicAccessWords = [
  'BlockPublicAcls',
  'IgnorePublicAcls',
  'BlockPublicPolicy',
  'RestrictPublicBuckets',
] as const;

export function parsePublicAccess(root: XmlNode): string {
  return publicAccessWords
    .filter((name) => {
      const word = root.childText(name)?.trim().toLowerCase();
      if (word !== undefined && word !== 'true' && word !== 'false') throw malformed();
      return word === 'true';
    })
    .join(',');
}

export function renderPublicAccess(kept: string): string {
  const on = kept.split(',');
  return publicAccessWords.map((name) => element(name, on.includes(name))).join('');
}

export const ownershipDocument: BucketDocument<Ownership> = {
  field: 's3-ownership-document',
  root: 'OwnershipControls',
  tagsMax: 20,
  actions: { get: 's3:GetBucketOwnershipControls', put: 's3:PutBucketOwnershipControls' },
  absent: { error: 'OwnershipControlsNotFoundError' },
  parse: (root) => {
    const rule = onlyChild(root, 'Rule');
    if (rule === undefined) throw malformed();
    return wordOf(rule.childText('ObjectOwnership'), ownerships);
  },
  render: renderOwnership,
};

export function renderOwnership(ownership: Ownership): string {
  return wrap('Rule', element('ObjectOwnership', ownership));
}

export interface EncryptionRule {
  readonly algorithm: 'AES256' | 'aws:kms';
  readonly keyId: string | undefined;
  readonly bucketKey: boolean;
}

export const encryptionDocument: BucketDocument<EncryptionRule> = {
  field: 's3-encryption',
  root: 'ServerSideEncryptionConfiguration',
  tagsMax: 40,
  actions: { get: 's3:GetEncryptionConfiguration', put: 's3:PutEncryptionConfiguration' },
  absent: { error: 'ServerSideEncryptionConfigurationNotFoundError' },
  parse: (root) => {
    const rule = onlyChild(root, 'Rule');
    const by = rule && onlyChild(rule, 'ApplyServerSideEncryptionByDefault');
    if (rule === undefined || by === undefined) throw malformed();
    const algorithm = wordOf(by.childText('SSEAlgorithm'), ['AES256', 'aws:kms'] as const);
    const keyId = by.childText('KMSMasterKeyID')?.trim();
    if (keyId !== undefined && algorithm === 'AES256') throw malformed();
    return { algorithm, keyId, bucketKey: rule.childText('BucketKeyEnabled')?.trim() === 'true' };
  },
  render: ({ algorithm, keyId, bucketKey }) =>
    wrap(
      'Rule',
      wrap(
        'ApplyServerSideEncryptionByDefault',
        element('SSEAlgorithm', algorithm) + optionalElement('KMSMasterKeyID', keyId),
      ) + element('BucketKeyEnabled', bucketKey),
    ),
  check: async ({ keyId }, { services }) => {
    if (keyId !== undefined) await services.objects.keys.makeKey(keyId);
  },
};
