/**
 * Who may do what, by the rules of Swift's own auth systems: a project's operators own its accounts, its readers may look, an
 * administrator of the cloud may act on any; everyone else needs a grant in the account's or the container's ACL.
 */
import { defaultsOf } from '#common';
import type { Identity } from '../authenticator.ts';
import type { Container } from '../objects/index.ts';
import type { AccountRight } from './account-acl.ts';
import { isReferrerAllowed, namesCaller } from './container-acl.ts';
import { refusal, type SwiftRefusal } from './refusal.ts';
import { type SwiftSettings, swiftSettings } from './settings.ts';

/**
 * `object`: read an object; `listing`: see a container; `write`: change objects; `container`: make, change and delete containers;
 * `look`: see the account; `owner`: change it.
 */
export type Need = 'object' | 'listing' | 'write' | 'container' | 'look' | 'owner';

/** A right that no token gives but something in the request itself, such as a signature; it replaces all others. */
export interface Grant {
  readonly account: string;
  /** Absent: all of the account's containers. */
  readonly container?: string;
}

/** Who is calling. */
export interface Caller {
  /** Undefined for an anonymous request, and for a token that is not good. */
  readonly identity: Identity | undefined;
  /** Whose token came as `X-Service-Token`: a service that acts for the caller. */
  readonly service?: Identity | undefined;
  readonly referer: string | undefined;
  readonly grant?: Grant;
  /** The key with which another cluster's container sync proved itself. */
  readonly syncKey?: string;
  /** Absent: the rules that hold unless settings say otherwise. */
  readonly rules?: AccessRules;
  /** What account ACLs give the caller, by account, as far as it was asked for. */
  readonly rights?: Map<string, AccountRight | undefined>;
  /** Accounts, of those asked for, that belong to projects of other domains: names in their ACLs mean nobody. */
  readonly namelessAccounts?: Set<string>;
}

/** The settings of auth, parsed. */
export interface AccessRules {
  readonly prefixes: readonly string[];
  /** Of a prefix: roles of which a service token must bring one. */
  readonly serviceRoles: ReadonlyMap<string, ReadonlySet<string>>;
  readonly operators: ReadonlySet<string>;
  readonly readers: ReadonlySet<string>;
  readonly systemReaders: ReadonlySet<string>;
  readonly resellers: ReadonlySet<string>;
  readonly namesInAcls: boolean;
  readonly projectsInAcls: boolean;
}

export const readAclField = 'read-acl';
export const writeAclField = 'write-acl';

function words(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

function rolesOf(text: string): ReadonlySet<string> {
  return new Set(words(text.toLowerCase()));
}

export function accessRules(settings: SwiftSettings): AccessRules {
  const serviceRoles = new Map<string, Set<string>>();
  for (const pair of words(settings.serviceRoles)) {
    const [prefix = '', role = ''] = pair.split('=');
    const roles = serviceRoles.get(`${prefix}_`) ?? new Set();
    serviceRoles.set(`${prefix}_`, roles.add(role.toLowerCase()));
  }
  return {
    prefixes: words(settings.resellerPrefixes).map((prefix) => `${prefix}_`),
    serviceRoles,
    operators: rolesOf(settings.operatorRoles),
    readers: rolesOf(settings.readerRoles),
    systemReaders: rolesOf(settings.systemReaderRoles),
    resellers: rolesOf(settings.resellerRoles),
    namesInAcls: settings.namesInAcls,
    projectsInAcls: settings.projectsInAcls,
  };
}

let defaultRules: AccessRules | undefined;

export function rulesOf(caller: Caller): AccessRules {
  defaultRules ??= accessRules(defaultsOf(swiftSettings));
  return caller.rules ?? defaultRules;
}

function hasRole(identity: Identity | undefined, wanted: ReadonlySet<string>): boolean {
  return identity?.roles.some((role) => wanted.has(role.toLowerCase())) ?? false;
}

/** An administrator of the whole cloud. */
export function isReseller(caller: Caller): boolean {
  const { identity, grant } = caller;
  if (identity === undefined || grant !== undefined) return false;
  return identity.reseller || hasRole(identity, rulesOf(caller).resellers);
}

/** The reseller prefix under which the account belongs to the caller's project. */
function ownPrefix(caller: Caller, account: string): string | undefined {
  const { projectId } = caller.identity ?? {};
  if (projectId === undefined || !account.endsWith(projectId)) return undefined;
  return rulesOf(caller).prefixes.find((prefix) => account === prefix + projectId);
}

/** The project that the account would be of, by its name. */
export function projectOf(caller: Caller, account: string): string | undefined {
  const prefix = rulesOf(caller).prefixes.find((each) => account.startsWith(each));
  return prefix === undefined ? undefined : account.slice(prefix.length);
}

export function isOwnAccount(caller: Caller, account: string): boolean {
  return ownPrefix(caller, account) !== undefined;
}

/** May do everything with the account but delete it, and sees its secrets. */
export function isOwner(caller: Caller, account: string): boolean {
  if (caller.identity === undefined || caller.grant !== undefined) return false;
  if (isReseller(caller)) return true;
  const prefix = ownPrefix(caller, account);
  if (prefix !== undefined && hasRole(caller.identity, rulesOf(caller).operators)) {
    const service = rulesOf(caller).serviceRoles.get(prefix);
    if (service === undefined || hasRole(caller.service, service)) return true;
  }
  return caller.rights?.get(account) === 'admin';
}

function isReader(caller: Caller, account: string): boolean {
  if (hasRole(caller.identity, rulesOf(caller).systemReaders)) return true;
  const prefix = ownPrefix(caller, account);
  if (prefix === undefined || rulesOf(caller).serviceRoles.has(prefix)) return false;
  return hasRole(caller.identity, rulesOf(caller).readers);
}

const reads: ReadonlySet<Need> = new Set(['object', 'listing', 'look']);

/** Throws the refusal that tells the least: 401 to the anonymous, 403 to everyone else. */
export function authorize(
  caller: Caller,
  account: string,
  container: Container | undefined,
  need: Need,
): void {
  const { grant } = caller;
  if (grant !== undefined) {
    const inside = grant.container === undefined || grant.container === container?.name;
    if (grant.account === account && inside) return;
    throw denial(caller, account);
  }
  if (isOwner(caller, account)) return;
  if (reads.has(need) && isReader(caller, account)) return;
  if (hasAccountRight(caller, account, need)) return;
  if (container !== undefined && isGranted(caller, container, need)) return;
  throw denial(caller, account);
}

function hasAccountRight(caller: Caller, account: string, need: Need): boolean {
  const right = caller.rights?.get(account);
  if (right === 'read-only') return reads.has(need);
  return right === 'read-write' && need !== 'owner';
}

/** Whether the account may be looked at: containers of others are only found through their ACLs. */
export function denial(caller: Caller, account: string): SwiftRefusal {
  if (caller.identity !== undefined && caller.grant === undefined) return refusal('forbidden');
  const realm = encodeURIComponent(account);
  return refusal('unauthorized', '', { 'WWW-Authenticate': `Swift realm="${realm}"` });
}

function isGranted(caller: Caller, container: Container, need: Need): boolean {
  if (need !== 'object' && need !== 'listing' && need !== 'write') return false;
  if (caller.syncKey !== undefined && caller.syncKey === container.system['sync-key']) return true;
  const acl = container.system[need === 'write' ? writeAclField : readAclField];
  if (acl === undefined || acl === '') return false;
  const entries = acl.split(',');
  if (entries.some((entry) => namesCaller(caller, entry, container.account))) return true;
  if (need === 'write' || !isReferrerAllowed(caller.referer, entries)) return false;
  return need === 'object' || entries.includes('.rlistings');
}

/** Told to owners only. */
export const ownersHeaders: ReadonlySet<string> = new Set([
  'x-container-read',
  'x-container-write',
  'x-container-sync-key',
  'x-container-sync-to',
  'x-account-meta-temp-url-key',
  'x-account-meta-temp-url-key-2',
  'x-container-meta-temp-url-key',
  'x-container-meta-temp-url-key-2',
  'x-account-access-control',
]);
