/** Access control lists: who besides the owner may do what with a bucket or an object. */

export const permissions = ['READ', 'WRITE', 'READ_ACP', 'WRITE_ACP', 'FULL_CONTROL'] as const;
export type Permission = (typeof permissions)[number];

export type GroupName = 'AllUsers' | 'AuthenticatedUsers' | 'LogDelivery';

export const groupUris: Readonly<Record<GroupName, string>> = {
  AllUsers: 'http://acs.amazonaws.com/groups/global/AllUsers',
  AuthenticatedUsers: 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers',
  LogDelivery: 'http://acs.amazonaws.com/groups/s3/LogDelivery',
};

/** A canonical id (a project's), or a group. */
export type Grantee =
  | { readonly id: string; readonly group?: never }
  | { readonly group: GroupName; readonly id?: never };

export interface Grant {
  readonly grantee: Grantee;
  readonly permission: Permission;
}

export interface Acl {
  /** Canonical id. */
  readonly owner: string;
  readonly grants: readonly Grant[];
}

export const aclField = 's3-acl';

export function privateAcl(owner: string): Acl {
  return { owner, grants: [{ grantee: { id: owner }, permission: 'FULL_CONTROL' }] };
}

/** As kept: `{"o":owner,"g":[["i"|"g",who,permission]…]}`. */
export function encodeAcl({ owner, grants }: Acl): string {
  const g = grants.map(({ grantee, permission }) =>
    grantee.id === undefined ? ['g', grantee.group, permission] : ['i', grantee.id, permission],
  );
  return JSON.stringify({ o: owner, g });
}

/** What is kept was written by `encodeAcl`; anything else grants nothing. */
export function decodeAcl(text: string | undefined, owner: string): Acl {
  if (text === undefined) return privateAcl(owner);
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null) return privateAcl(owner);
  const { o, g }: { o?: unknown; g?: unknown } = parsed;
  const rows: readonly unknown[] = Array.isArray(g) ? g : [];
  return { owner: typeof o === 'string' ? o : owner, grants: rows.flatMap(decodeGrant) };
}

function decodeGrant(row: unknown): readonly Grant[] {
  if (!Array.isArray(row)) return [];
  const [kind, who, permission]: unknown[] = row;
  const known = permissions.find((name) => name === permission);
  if (typeof who !== 'string' || known === undefined) return [];
  if (kind === 'i') return [{ grantee: { id: who }, permission: known }];
  return isGroup(who) ? [{ grantee: { group: who }, permission: known }] : [];
}

export function isGroup(name: string): name is GroupName {
  return Object.hasOwn(groupUris, name);
}

/** Whether the list gives somebody a permission. `ignorePublic`: what it gives to groups does not count. */
export function isGranted(
  acl: Acl,
  who: string | undefined,
  wanted: { readonly permission: Permission; readonly ignorePublic: boolean },
): boolean {
  return acl.grants.some(({ grantee, permission }) => {
    if (permission !== wanted.permission && permission !== 'FULL_CONTROL') return false;
    if (grantee.id !== undefined) return grantee.id === who;
    if (wanted.ignorePublic) return false;
    return (
      grantee.group === 'AllUsers' || (grantee.group === 'AuthenticatedUsers' && who !== undefined)
    );
  });
}

export function isPublicAcl({ grants }: Acl): boolean {
  return grants.some(
    ({ grantee }) => grantee.group === 'AllUsers' || grantee.group === 'AuthenticatedUsers',
  );
}

const canned: Readonly<Record<string, readonly Grant[]>> = {
  private: [],
  'public-read': [{ grantee: { group: 'AllUsers' }, permission: 'READ' }],
  'public-read-write': [
    { grantee: { group: 'AllUsers' }, permission: 'READ' },
    { grantee: { group: 'AllUsers' }, permission: 'WRITE' },
  ],
  'authenticated-read': [{ grantee: { group: 'AuthenticatedUsers' }, permission: 'READ' }],
  'log-delivery-write': [
    { grantee: { group: 'LogDelivery' }, permission: 'WRITE' },
    { grantee: { group: 'LogDelivery' }, permission: 'READ_ACP' },
  ],
  'aws-exec-read': [],
};

/** The list that a name stands for; undefined for an unknown name. */
export function cannedAcl(name: string, owner: string, bucketOwner: string): Acl | undefined {
  const { grants } = privateAcl(owner);
  const others: Grant = { grantee: { id: bucketOwner }, permission: 'READ' };
  if (name === 'bucket-owner-read')
    return { owner, grants: owner === bucketOwner ? grants : [...grants, others] };
  if (name === 'bucket-owner-full-control')
    return {
      owner,
      grants:
        owner === bucketOwner ? grants : [...grants, { ...others, permission: 'FULL_CONTROL' }],
    };
  const extra = Object.hasOwn(canned, name) ? canned[name] : undefined;
  return extra === undefined ? undefined : { owner, grants: [...grants, ...extra] };
}
