/** What a bucket's settings say about who may use it, parsed once per container row. */
import type { Container } from '../../objects/index.ts';
import { ownerId } from '../owner-id.ts';
import { type Acl, aclField, decodeAcl } from './acl.ts';
import { isPublicPolicy } from './evaluate-policy.ts';
import { parsePolicy, type Statement } from './policy-document.ts';

export const policyField = 's3-policy';
/** There when whoever put the policy said that it may shut them out. */
export const policyConfirmedField = 's3-policy-confirmed';
export const publicAccessField = 's3-public-access-block';
export const ownershipField = 's3-ownership';

export interface PublicAccessBlock {
  readonly blockPublicAcls: boolean;
  readonly ignorePublicAcls: boolean;
  readonly blockPublicPolicy: boolean;
  readonly restrictPublicBuckets: boolean;
}

export const ownerships = ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'] as const;
export type Ownership = (typeof ownerships)[number];

export interface BucketRights {
  readonly policy: readonly Statement[];
  readonly isPolicyPublic: boolean;
  readonly acl: Acl;
  readonly publicAccess: PublicAccessBlock;
  /** Undefined where nobody said: access control lists count, and who writes an object owns it. */
  readonly ownership: Ownership | undefined;
}

const known = new WeakMap<Container, BucketRights>();

export function rightsOf(container: Container): BucketRights {
  let rights = known.get(container);
  if (rights === undefined) {
    rights = parseRights(container);
    known.set(container, rights);
  }
  return rights;
}

function parseRights(container: Container): BucketRights {
  const { system, name } = container;
  const text = system[policyField];
  const policy = text === undefined ? [] : parsePolicy(text, { bucket: name });
  const block = (system[publicAccessField] ?? '').split(',');
  return {
    policy,
    isPolicyPublic: isPublicPolicy(policy),
    acl: decodeAcl(system[aclField], ownerId(container.account)),
    publicAccess: {
      blockPublicAcls: block.includes('BlockPublicAcls'),
      ignorePublicAcls: block.includes('IgnorePublicAcls'),
      blockPublicPolicy: block.includes('BlockPublicPolicy'),
      restrictPublicBuckets: block.includes('RestrictPublicBuckets'),
    },
    ownership: ownerships.find((name) => name === system[ownershipField]),
  };
}

/** Whether access control lists mean anything here. */
export function aclsCount({ ownership }: BucketRights): boolean {
  return ownership !== 'BucketOwnerEnforced';
}
