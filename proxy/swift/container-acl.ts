/** Container ACLs: cleaned when they are set, and what their entries say of a caller. Pure. */
import { type Caller, isOwnAccount, isOwner, rulesOf } from './access.ts';
import { refusal } from './refusal.ts';
import { decodePercent, toHeader } from './text.ts';

/**
 * `project:user` (ids; or names of the default domain; `*` for any), a role's name, an account for those who own it, or (as TempAuth
 * has it) the name of a project for all its users.
 */
export function namesCaller(caller: Caller, entry: string, account: string): boolean {
  const { identity } = caller;
  if (identity === undefined || entry.startsWith('.')) return false;
  const grant = decodePercent(toHeader(entry)) ?? entry;
  const cut = grant.indexOf(':');
  if (cut < 0) {
    if (isOwnAccount(caller, grant)) return isOwner(caller, grant);
    if (isOwnProject(caller, grant) && namesCount(caller, account)) return true;
    const role = grant.toLowerCase();
    return identity.roles.some((held) => held.toLowerCase() === role);
  }
  const [project, user] = [grant.slice(0, cut), grant.slice(cut + 1)];
  const named = rulesOf(caller).namesInAcls && namesCount(caller, account);
  const projects = ['*', identity.projectId, ...(named ? [identity.projectName] : [])];
  const users = ['*', identity.userId, ...(named ? [identity.userName] : [])];
  return projects.includes(project) && users.includes(user);
}

/** Whether names say who the caller is: all of user, project and account are of the default domain. */
function namesCount(caller: Caller, account: string): boolean {
  return namesAreDefault(caller) && caller.namelessAccounts?.has(account) !== true;
}

const defaultDomain = 'default';

/** Whether the caller's own names are of the default domain. */
export function namesAreDefault({ identity }: Caller): boolean {
  const { domainId = defaultDomain, userDomainId = defaultDomain } = identity ?? {};
  return domainId === defaultDomain && userDomainId === defaultDomain;
}

/** A project's name, which must not be that of a role that ACLs are likely to mean. */
function isOwnProject(caller: Caller, entry: string): boolean {
  const { identity } = caller;
  const rules = rulesOf(caller);
  if (!rules.projectsInAcls || identity?.projectName !== entry) return false;
  const role = entry.toLowerCase();
  return ![rules.operators, rules.readers, rules.resellers].some((roles) => roles.has(role));
}

export function isReferrerAllowed(
  referer: string | undefined,
  entries: readonly string[],
): boolean {
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

const designators = new Set(['.r', '.ref', '.referer', '.referrer']);

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
  if (!designators.has(designator))
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
