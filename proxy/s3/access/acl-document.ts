/** Access control lists as requests bring them (a canned name, grant headers, a document) and as answers show them. */

import { readDocument } from '../body/read-document.ts';
import type { S3Request, S3Services } from '../context.ts';
import { invalidArgument, S3Failure } from '../s3-failure.ts';
import { parseXml, type XmlNode } from '../xml/parse.ts';
import { element, s3Document, wrap } from '../xml/write.ts';
import {
  type Acl,
  cannedAcl,
  type Grant,
  type Grantee,
  type GroupName,
  groupUris,
  isGroup,
  type Permission,
  permissions,
} from './acl.ts';

const grantsMax = 100;

export interface AclOwners {
  readonly owner: string;
  readonly bucketOwner: string;
}

/** The list that the headers of a request ask for; undefined when they ask for none. */
export async function aclOfHeaders(
  request: S3Request,
  services: S3Services,
  { owner, bucketOwner }: AclOwners,
): Promise<Acl | undefined> {
  const name = request.head.headers.get('x-amz-acl');
  const granted = await grantHeaders(request, services);
  if (name !== undefined && granted.length > 0)
    throw new S3Failure('InvalidRequest', {
      message: 'Specifying both Canned ACLs and Header Grants is not allowed',
    });
  if (granted.length > 0) return { owner, grants: granted };
  if (name === undefined) return undefined;
  const acl = cannedAcl(name, owner, bucketOwner);
  if (acl === undefined) throw invalidArgument('x-amz-acl', name, 'Invalid canned ACL');
  return acl;
}

const headerNames: Readonly<Record<string, Permission>> = {
  'x-amz-grant-full-control': 'FULL_CONTROL',
  'x-amz-grant-read': 'READ',
  'x-amz-grant-write': 'WRITE',
  'x-amz-grant-read-acp': 'READ_ACP',
  'x-amz-grant-write-acp': 'WRITE_ACP',
};

async function grantHeaders(request: S3Request, services: S3Services): Promise<readonly Grant[]> {
  const grants: Grant[] = [];
  for (const [header, permission] of Object.entries(headerNames)) {
    const value = request.head.headers.get(header);
    if (value === undefined) continue;
    for (const word of value.split(',')) {
      const match = /^\s*(id|uri|emailAddress)\s*=\s*"?([^"]*)"?\s*$/i.exec(word);
      if (match === null || grants.length >= grantsMax)
        throw invalidArgument(header, value, 'Argument format not recognized');
      const [, kind = '', who = ''] = match;
      grants.push({ grantee: await granteeOf(kind.toLowerCase(), who, services), permission });
    }
  }
  return grants;
}

async function granteeOf(kind: string, who: string, services: S3Services): Promise<Grantee> {
  if (kind === 'uri') return { group: groupOf(who) };
  const owner = await services.findOwner(kind === 'id' ? { id: who } : { email: who });
  if (owner !== undefined) return { id: owner.id };
  if (kind === 'id') throw invalidArgument('CanonicalUser/ID', who, 'Invalid id');
  throw new S3Failure('UnresolvableGrantByEmailAddress');
}

function groupOf(uri: string): GroupName {
  const found = Object.entries(groupUris).find(([, known]) => known === uri)?.[0];
  if (found !== undefined && isGroup(found)) return found;
  throw invalidArgument('Group/URI', uri, 'Invalid group uri');
}

/** PutBucketAcl and PutObjectAcl: headers, or a document that names its owner. */
export async function aclOfRequest(
  request: S3Request,
  services: S3Services,
  owners: AclOwners,
): Promise<Acl> {
  const ofHeaders = await aclOfHeaders(request, services, owners);
  const document = await readDocument(request, services.settings.documentBytesMax);
  if (ofHeaders !== undefined) {
    if (document.length > 0)
      throw new S3Failure('UnexpectedContent', {
        message: 'This request does not support content',
      });
    return ofHeaders;
  }
  if (document.length === 0)
    throw new S3Failure('MissingSecurityHeader', {
      message: 'Your request was missing a required header',
      details: { MissingHeaderName: 'x-amz-acl' },
    });
  const root = parseXml(document, { roots: ['AccessControlPolicy'], tagsMax: 4000 });
  return await parseAcl(root, services, owners);
}

async function parseAcl(root: XmlNode, services: S3Services, owners: AclOwners): Promise<Acl> {
  const owner = root.children('Owner')[0]?.childText('ID');
  if (owner !== undefined && owner !== owners.owner) throw new S3Failure('AccessDenied');
  const list = root.children('AccessControlList')[0];
  if (list === undefined) throw new S3Failure('MalformedACLError');
  const nodes = list.children('Grant');
  if (nodes.length > grantsMax) throw new S3Failure('MalformedACLError');
  const grants: Grant[] = [];
  for (const node of nodes) grants.push(await parseGrant(node, services));
  return { owner: owners.owner, grants };
}

async function parseGrant(node: XmlNode, services: S3Services): Promise<Grant> {
  const permission = permissions.find((name) => name === node.childText('Permission')?.trim());
  const grantee = node.children('Grantee')[0];
  if (permission === undefined || grantee === undefined) throw new S3Failure('MalformedACLError');
  const [id, uri, email] = ['ID', 'URI', 'EmailAddress'].map((name) =>
    grantee.childText(name)?.trim(),
  );
  if (id !== undefined) return { grantee: await granteeOf('id', id, services), permission };
  if (uri !== undefined) return { grantee: await granteeOf('uri', uri, services), permission };
  if (email !== undefined)
    return { grantee: await granteeOf('email', email, services), permission };
  throw new S3Failure('MalformedACLError');
}

const instance = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';

export async function renderAcl(acl: Acl, services: S3Services): Promise<string> {
  const person = async (id: string): Promise<string> => {
    const known = await services.findOwner({ id });
    return element('ID', id) + element('DisplayName', known?.displayName ?? '');
  };
  let grants = '';
  for (const { grantee, permission } of acl.grants) {
    const inner =
      grantee.id === undefined
        ? `<Grantee ${instance} xsi:type="Group">${element('URI', groupUris[grantee.group])}</Grantee>`
        : `<Grantee ${instance} xsi:type="CanonicalUser">${await person(grantee.id)}</Grantee>`;
    grants += wrap('Grant', inner + element('Permission', permission));
  }
  const owner = wrap('Owner', await person(acl.owner));
  return s3Document('AccessControlPolicy', owner + wrap('AccessControlList', grants));
}
