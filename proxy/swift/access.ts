/**
 * Who may do what. A project's admins and members own its account, its readers may look, an administrator of the cloud may act on
 * any; everyone else needs a grant in the container's ACL.
 */
import { accountOf } from '../authenticator.ts';
import type { Container } from '../objects/index.ts';
import { refusal, type SwiftRefusal } from './refusal.ts';
import type { Caller } from './swift-request.ts';
import { decodePercent } from './text.ts';

/** `object`: read an object; `listing`: see names; `write`: change objects; `owner`: change containers and the account. */
export type Need = 'object' | 'listing' | 'write' | 'owner';

export const readAclField = 'read-acl';
export const writeAclField = 'write-acl';

const operatorRoles = new Set(['admin', 'manager', 'member', '_member_', 'swiftoperator']);

export function isOwner(caller: Caller, account: string): boolean {
  const { identity } = caller;
  if (identity === undefined) return false;
  if (identity.reseller) return true;
  if (!isOwnAccount(caller, account)) return false;
  return identity.roles.some((role) => operatorRoles.has(role.toLowerCase()));
}

export function isOwnAccount({ identity }: Caller, account: string): boolean {
  return identity?.projectId !== undefined && accountOf(identity.projectId) === account;
}

function isReader(caller: Caller, account: string): boolean {
  return isOwnAccount(caller, account) && (caller.identity?.roles.includes('reader') ?? false);
}

/** Throws the refusal that tells the least: 401 to the anonymous, 403 to everyone else. */
export function authorize(
  caller: Caller,
  account: string,
  container: Container | undefined,
  need: Need,
): void {
  if (isOwner(caller, account)) return;
  const reads = need === 'object' || need === 'listing';
  if (reads && isReader(caller, account)) return;
  if (container !== undefined && need !== 'owner' && isGranted(caller, container, need)) return;
  throw denial(caller, account);
}

/** Whether the account may be looked at: containers of others are only found through their ACLs. */
export function denial(caller: Caller, account: string): SwiftRefusal {
  if (caller.identity !== undefined) return refusal('forbidden');
  const realm = encodeURIComponent(account);
  return refusal('unauthorized', '', { 'WWW-Authenticate': `Swift realm="${realm}"` });
}

function isGranted(caller: Caller, container: Container, need: Need): boolean {
  const field = need === 'write' ? writeAclField : readAclField;
  const acl = container.system[field];
  if (acl === undefined || acl === '') return false;
  const entries = acl.split(',');
  if (entries.some((entry) => grantsUser(caller, entry))) return true;
  if (need === 'write') return false;
  const allowed = refererAllowed(caller.referer, entries);
  return allowed && (need === 'object' || entries.includes('.rlistings'));
}

/** `project:user` (ids; or names of the default domain; `*` for any), or a role's name. */
function grantsUser({ identity }: Caller, entry: string): boolean {
  if (identity === undefined || entry.startsWith('.')) return false;
  const grant = decodePercent(entry) ?? entry;
  const cut = grant.indexOf(':');
  if (cut < 0) return identity.roles.includes(grant);
  const [project, user] = [grant.slice(0, cut), grant.slice(cut + 1)];
  const named = identity.domainId === undefined || identity.domainId === 'default';
  const projects = ['*', identity.projectId, ...(named ? [identity.projectName] : [])];
  const users = ['*', identity.userId, ...(named ? [identity.userName] : [])];
  return projects.includes(project) && users.includes(user);
}

function refererAllowed(referer: string | undefined, entries: readonly string[]): boolean {
  let host = 'unknown';
  if (referer !== undefined && URL.canParse(referer)) host = new URL(referer).hostname || host;
  let allowed = false;
  for (const entry of entries) {
    if (!entry.startsWith('.r:')) continue;
    const rule = entry.slice(3);
    const denies = rule.startsWith('-');
    const pattern = denies ? rule.slice(1) : rule;
    const matches =
      pattern === '*' || pattern === host || (pattern.startsWith('.') && host.endsWith(pattern));
    // The last rule that matches decides.
    if (matches) allowed = !denies;
  }
  return allowed;
}

const refererDesignators = new Set(['.r', '.ref', '.referer', '.referrer']);

/** An ACL as it is kept: blanks gone, referrer rules in one form; refuses what means nothing. */
export function cleanAcl(header: string, value: string): string {
  const entries: string[] = [];
  for (const raw of value.split(',')) {
    const entry = raw.trim();
    if (entry === '') continue;
    entries.push(entry.startsWith('.') ? cleanDesignator(header, entry) : entry);
  }
  return entries.join(',');
}

function cleanDesignator(header: string, entry: string): string {
  const cut = entry.indexOf(':');
  if (cut < 0) {
    if (entry === '.rlistings') return entry;
    throw refusal('bad-request', `Unknown designator in ACL: ${entry}`);
  }
  const [designator, rest] = [entry.slice(0, cut).trim(), entry.slice(cut + 1).trim()];
  if (!refererDesignators.has(designator))
    throw refusal('bad-request', `Unknown designator in ACL: ${designator}`);
  if (header.includes('write'))
    throw refusal('bad-request', `Referrers not allowed in write ACL: ${entry}`);
  const denies = rest.startsWith('-');
  let host = (denies ? rest.slice(1) : rest).trim();
  if (host !== '*' && host.startsWith('*')) host = host.slice(1).trim();
  if (host === '' || host === '.')
    throw refusal(
      'bad-request',
      `No host/domain value after referrer designation in ACL: ${entry}`,
    );
  return `.r:${denies ? '-' : ''}${host}`;
}
