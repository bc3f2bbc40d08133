/** Account ACLs (`X-Account-Access-Control`): checked when they are set, and what they give a caller. */
import type { Account } from '../objects/index.ts';
import { type Caller, isOwnAccount, isOwner, projectOf, rulesOf } from './access.ts';
import { namesAreDefault } from './container-acl.ts';
import { refusal } from './refusal.ts';
import type { SwiftServices } from './swift-request.ts';
import { jsonText } from './text.ts';

export type AccountRight = 'admin' | 'read-write' | 'read-only';

const rights: readonly AccountRight[] = ['admin', 'read-write', 'read-only'];

/** The system field of an account. */
export const accountAclField = 'access-control';

type Acl = Readonly<Partial<Record<AccountRight, readonly string[]>>>;

/** The ACL as it is kept; empty for one that grants nothing. */
export function cleanAccountAcl(text: string): string {
  const problem = (what: string) =>
    refusal('bad-request', `X-Account-Access-Control invalid: ${what}\n\nInput: ${text}\n`, {
      'Content-Type': 'text/plain; charset=UTF-8',
    });
  const parsed = text === '' ? {} : parseObject(text);
  if (parsed === undefined) throw problem(`Syntax error in input (${jsonText(text)})`);
  for (const name of Object.keys(parsed))
    if (!rights.some((right) => right === name))
      throw problem(`Key ${jsonText(name)} not recognized`);
  for (const right of rights) {
    const grantees = parsed[right];
    if (grantees === undefined) continue;
    if (!Array.isArray(grantees)) throw problem(`Value for key ${jsonText(right)} must be a list`);
    if (grantees.some((grantee) => typeof grantee !== 'string'))
      throw problem(`Elements of ${jsonText(right)} list must be strings`);
  }
  const kept = Object.entries(parsed).sort(([a], [b]) => (a < b ? -1 : 1));
  return kept.length === 0 ? '' : jsonAscii(Object.fromEntries(kept));
}

function jsonAscii(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
    return isObject ? { ...parsed } : undefined;
  } catch {
    return undefined;
  }
}

function readAcl(account: Account): Acl {
  const text = account.system[accountAclField];
  const parsed = text === undefined ? undefined : parseObject(text);
  const acl: Partial<Record<AccountRight, readonly string[]>> = {};
  for (const right of rights) {
    const grantees = parsed?.[right];
    if (Array.isArray(grantees)) acl[right] = grantees.map(String);
  }
  return acl;
}

function rightOf(caller: Caller, account: string, acl: Acl): AccountRight | undefined {
  const { identity } = caller;
  if (identity === undefined) return undefined;
  const names = [`${identity.projectId}:${identity.userId}`, `${identity.projectId}:*`];
  const named = namesAreDefault(caller) && caller.namelessAccounts?.has(account) !== true;
  if (rulesOf(caller).namesInAcls && named)
    names.push(`${identity.projectName}:${identity.userName}`, String(identity.projectName));
  const holds = (grantees: readonly string[] = []) =>
    grantees.some((grantee) => names.includes(grantee));
  return rights.find((right) => holds(acl[right]));
}

type RightServices = Pick<SwiftServices, 'objects' | 'authenticator'>;

/** Asks once per request and account what its ACL gives a caller who does not own it. */
export async function learnRight(
  caller: Caller,
  account: string,
  services: RightServices,
): Promise<void> {
  if (caller.identity === undefined || caller.grant !== undefined) return;
  if (caller.rights === undefined || caller.rights.has(account)) return;
  if (isOwner(caller, account)) return;
  const found = await services.objects.accounts.get(account);
  if (namesAreDefault(caller) && !isOwnAccount(caller, account)) {
    const domainId = await domainOf(caller, account, services);
    if (domainId !== undefined && domainId !== 'default') caller.namelessAccounts?.add(account);
  }
  caller.rights.set(account, rightOf(caller, account, readAcl(found)));
}

/** The domain of the account's project, where anybody knows it. */
export async function domainOf(
  caller: Caller,
  account: string,
  { authenticator }: RightServices,
): Promise<string | undefined> {
  if (isOwnAccount(caller, account)) return caller.identity?.domainId;
  const id = projectOf(caller, account);
  return id === undefined ? undefined : (await authenticator.findOwner?.({ id }))?.domainId;
}
