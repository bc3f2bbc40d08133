/** Accounts: GET, HEAD, POST; and, where that is allowed, PUT and DELETE by resellers. */

import type { Reply } from '../exchange.ts';
import type { Account } from '../objects/index.ts';
import { authorize, denial, isOwner, isReseller } from './access.ts';
import { accountAclField, cleanAccountAcl, domainOf } from './account-acl.ts';
import { applyQuotas, writeQuotas } from './account-quotas.ts';
import { deletedSet } from './account-reaper.ts';
import { dropOwners } from './containers.ts';
import { listingReply, readFormat, readRange, renderContainers } from './listing.ts';
import { applyChange, readMetadata, writeMetadata } from './metadata.ts';
import { writeNote } from './notes.ts';
import { htmlType, page, refusal } from './refusal.ts';
import { applyQuoting, writeQuoting } from './stages/etag-quoter.ts';
import { readOnlyField, readOnlyHeader } from './stages/read-only.ts';
import {
  headerOf,
  type Operation,
  type SwiftRequest,
  type SwiftServices,
} from './swift-request.ts';
import { fromHeader, timestamp, titleCase, toHeader } from './text.ts';

const nameBytesMax = 256;

function checkName({ path }: SwiftRequest): void {
  const length = Buffer.byteLength(path.account);
  if (length > nameBytesMax)
    throw refusal('bad-request', `Account name length of ${length} longer than ${nameBytesMax}`, {
      'Content-Type': htmlType,
    });
}

async function accountHeaders(
  account: Account,
  { caller }: SwiftRequest,
  services: SwiftServices,
): Promise<Record<string, string | number>> {
  const usage = await services.objects.accounts.usage(account.name);
  const domainId = await domainOf(caller, account.name, services);
  const headers: Record<string, string | number> = {
    'X-Account-Container-Count': usage.containers,
    'X-Account-Object-Count': usage.objects,
    'X-Account-Bytes-Used': usage.bytes,
    'X-Timestamp': timestamp(account.createdUs ?? 0),
    'X-Put-Timestamp': timestamp(account.createdUs ?? 0),
    'Accept-Ranges': 'bytes',
    ...(domainId === undefined ? {} : { 'X-Account-Project-Domain-Id': domainId }),
  };
  for (const [policy, part] of usage.policies) {
    const name = `X-Account-Storage-Policy-${titleCase(policy)}`.replace(/-[a-z]/, (text) =>
      text.toUpperCase(),
    );
    headers[`${name}-Container-Count`] = part.containers;
    headers[`${name}-Object-Count`] = part.objects;
    headers[`${name}-Bytes-Used`] = part.bytes;
  }
  writeMetadata(headers, 'account', account.metadata);
  writeQuoting(headers, 'Account', account.system);
  if (!isOwner(caller, account.name)) {
    dropOwners(headers);
    return headers;
  }
  writeQuotas(headers, account);
  const acl = account.system[accountAclField];
  if (acl) headers['X-Account-Access-Control'] = toHeader(acl);
  return headers;
}

export const getAccount: Operation<SwiftRequest> = async (request, services) => {
  const { exchange, path, query, caller } = request;
  authorize(caller, path.account, undefined, 'look');
  checkName(request);
  const format = readFormat(exchange, query);
  const range = readRange(query);
  const account = await services.objects.accounts.get(path.account);
  if (isDeleted(account)) return gone();
  const headers = await accountHeaders(account, request, services);
  if (exchange.method === 'HEAD')
    return {
      status: 204,
      headers: { ...headers, 'Content-Type': `${format}; charset=utf-8`, Vary: 'Accept' },
    };
  const usage = format !== 'text/plain';
  const page =
    range.limit === 0
      ? { entries: [] }
      : await services.objects.accounts.listContainers(path.account, { ...range, usage });
  return listingReply(format, renderContainers(format, path.account, page.entries), headers);
};

export const postAccount: Operation<SwiftRequest> = async (request, services) => {
  const { exchange, path, caller } = request;
  const given = headerOf(exchange, 'x-account-access-control');
  const acl = given === undefined ? undefined : cleanAccountAcl(fromHeader(given) ?? given);
  authorize(caller, path.account, undefined, 'owner');
  checkName(request);
  const change = readMetadata(exchange, 'account');
  const present = await services.objects.accounts.get(path.account);
  if (isDeleted(present)) return gone();
  await services.objects.accounts.update(path.account, (account) => ({
    metadata: applyChange(account.metadata, change),
    system: accountFields(request, account, acl, services),
  }));
  return { status: 204, headers: { 'Content-Type': htmlType } };
};

/** The system fields after the request: its ACL, and what only resellers may set. */
function accountFields(
  { exchange, caller }: SwiftRequest,
  { system }: Account,
  acl: string | undefined,
  { offers }: SwiftServices,
): Account['system'] {
  const kept = acl === undefined ? system : { ...system, [accountAclField]: acl };
  const own = offers.has('etag-quoter') ? applyQuoting(exchange, 'Account', kept) : kept;
  if (!isReseller(caller)) return own;
  const limited = applyQuotas(exchange, own);
  const readOnly = headerOf(exchange, readOnlyHeader);
  return readOnly === undefined ? limited : { ...limited, [readOnlyField]: readOnly };
}

/** An account's status as the reaper reads it. */
export const deletedField = 'deleted-us';

function isDeleted(account: Account): boolean {
  return account.system[deletedField] !== undefined;
}

/** A deleted account, until the reaper is through with it. */
function gone(): Reply {
  return {
    status: 410,
    headers: { 'Content-Type': htmlType, 'X-Account-Status': 'Deleted' },
    body: '',
  };
}

/** Only those who run the cloud make and delete accounts, and only where the settings let them. */
function checkManagement(request: SwiftRequest, services: SwiftServices): Reply | undefined {
  const { caller, path, exchange } = request;
  const mayAsk = isReseller(caller) || (exchange.method === 'PUT' && isOwner(caller, path.account));
  if (!mayAsk) throw denial(caller, path.account);
  if (!services.swift.accountManagement) return page(405, { Allow: 'GET, HEAD, POST, OPTIONS' });
  if (!isReseller(caller)) throw denial(caller, path.account);
  return undefined;
}

export const putAccount: Operation<SwiftRequest> = async (request, services) => {
  const refused = checkManagement(request, services);
  if (refused !== undefined) return refused;
  checkName(request);
  const change = readMetadata(request.exchange, 'account');
  const before = await services.objects.accounts.get(request.path.account);
  if (isDeleted(before)) throw refusal('conflict');
  await services.objects.accounts.update(request.path.account, (account) => ({
    metadata: applyChange(account.metadata, change),
  }));
  return before.createdUs === undefined
    ? { status: 201, headers: { 'Content-Type': htmlType }, body: '' }
    : page(202);
};

export const deleteAccount: Operation<SwiftRequest> = async (request, services) => {
  const refused = checkManagement(request, services);
  if (refused !== undefined) return refused;
  const { accounts } = services.objects;
  const { account: name } = request.path;
  const before = await accounts.get(name);
  if (before.createdUs === undefined && (await accounts.usage(name)).containers === 0)
    throw refusal('not-found');
  if (isDeleted(before)) throw refusal('not-found');
  await accounts.update(name, (account) => ({
    system: { ...account.system, [deletedField]: String(services.clock.nowUs()) },
  }));
  await writeNote(services.objects, deletedSet, { key: name, value: '' });
  return { status: 204, headers: { 'Content-Type': htmlType } };
};
