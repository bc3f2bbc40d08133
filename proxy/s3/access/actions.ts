/** The actions that policies speak of, and what of a role, an access list or a Swift list allows each. */

/** `look`: see a bucket's settings; `list`: see names; `get`: read an object; `write`: change objects; `own`: everything else. */
export type Need = 'look' | 'list' | 'get' | 'write' | 'own';

export type AclPermission = 'READ' | 'WRITE' | 'READ_ACP' | 'WRITE_ACP';

export interface ActionRule {
  readonly need: Need;
  /** The permission of an access control list that is enough, on the bucket or on the object. */
  readonly acl?: { readonly on: 'bucket' | 'object'; readonly permission: AclPermission };
}

export type Action = `s3:${string}`;

const bucketRead = { on: 'bucket', permission: 'READ' } as const;
const bucketWrite = { on: 'bucket', permission: 'WRITE' } as const;
const objectRead = { on: 'object', permission: 'READ' } as const;

const rules: Readonly<Record<string, ActionRule>> = {
  's3:ListBucket': { need: 'list', acl: bucketRead },
  's3:ListBucketVersions': { need: 'list', acl: bucketRead },
  's3:ListBucketMultipartUploads': { need: 'list', acl: bucketRead },
  's3:GetObject': { need: 'get', acl: objectRead },
  's3:GetObjectVersion': { need: 'get', acl: objectRead },
  's3:GetObjectAttributes': { need: 'get', acl: objectRead },
  's3:GetObjectVersionAttributes': { need: 'get', acl: objectRead },
  's3:GetObjectTagging': { need: 'get' },
  's3:GetObjectVersionTagging': { need: 'get' },
  's3:PutObject': { need: 'write', acl: bucketWrite },
  's3:DeleteObject': { need: 'write', acl: bucketWrite },
  's3:DeleteObjectVersion': { need: 'write', acl: bucketWrite },
  's3:AbortMultipartUpload': { need: 'write', acl: bucketWrite },
  's3:ListMultipartUploadParts': { need: 'write', acl: bucketWrite },
  's3:PutObjectTagging': { need: 'write' },
  's3:PutObjectVersionTagging': { need: 'write' },
  's3:DeleteObjectTagging': { need: 'write' },
  's3:DeleteObjectVersionTagging': { need: 'write' },
  's3:RestoreObject': { need: 'write' },
  's3:GetBucketAcl': { need: 'look', acl: { on: 'bucket', permission: 'READ_ACP' } },
  's3:PutBucketAcl': { need: 'own', acl: { on: 'bucket', permission: 'WRITE_ACP' } },
  's3:GetObjectAcl': { need: 'look', acl: { on: 'object', permission: 'READ_ACP' } },
  's3:GetObjectVersionAcl': { need: 'look', acl: { on: 'object', permission: 'READ_ACP' } },
  's3:PutObjectAcl': { need: 'own', acl: { on: 'object', permission: 'WRITE_ACP' } },
  's3:PutObjectVersionAcl': { need: 'own', acl: { on: 'object', permission: 'WRITE_ACP' } },
};

export function ruleOf(action: Action): ActionRule {
  const rule = rules[action];
  if (rule !== undefined) return rule;
  return { need: action.startsWith('s3:Get') ? 'look' : 'own' };
}
