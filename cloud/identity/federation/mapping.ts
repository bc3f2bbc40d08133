/**
 * The mapping engine: from what a provider says of somebody to who that is here. Pure.
 *
 * Each rule whose every `remote` part is met adds its `local` parts, in which `{0}`, `{1}` … are the values that the
 * parts without a condition matched, in order. Unlike upstream, where an assertion is text in which `;` separates values,
 * a claim that is one text stays one value: nobody gets into a group by putting a semicolon into their name.
 */
import type { LocalRule, MappingRule, RemoteRule } from './mapping-rules.ts';

/** Claim by its several names → its values. */
export type Assertion = ReadonlyMap<string, readonly string[]>;

export interface DomainNamed {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
}

export interface MappedUser {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly email?: string | undefined;
  readonly domain?: DomainNamed | undefined;
  readonly type: 'ephemeral' | 'local';
}

export interface Mapped {
  readonly user: MappedUser;
  readonly groupIds: readonly string[];
  readonly groups: readonly { readonly name: string; readonly domain: DomainNamed }[];
  readonly projects: readonly { readonly name: string; readonly roles: readonly string[] }[];
}

type Match = readonly string[];

/** Nothing when no rule applies, or a local part names a match that there is not. */
export function mapAssertion(
  rules: readonly MappingRule[],
  assertion: Assertion,
): Mapped | undefined {
  const locals: { readonly local: LocalRule; readonly matches: readonly Match[] }[] = [];
  for (const rule of rules) {
    const matches = matchesOf(rule.remote, assertion);
    if (matches === undefined) continue;
    for (const local of rule.local) locals.push({ local, matches });
  }
  if (locals.length === 0) return undefined;
  const gathered = new Gathered();
  for (const { local, matches } of locals) if (!gathered.add(local, matches)) return undefined;
  return gathered.result();
}

/** The values that the unconditional parts matched; nothing when a part is not met. */
function matchesOf(
  remote: readonly RemoteRule[],
  assertion: Assertion,
): readonly Match[] | undefined {
  const matches: Match[] = [];
  for (const part of remote) {
    const held = assertion.get(part.type);
    if (held === undefined || held.length === 0) return undefined;
    const among = (wanted: readonly string[]) =>
      held.filter((value) => isAmong(value, wanted, part));
    if ('any_one_of' in part) {
      if (among(part.any_one_of).length === 0) return undefined;
    } else if ('not_any_of' in part) {
      if (among(part.not_any_of).length > 0) return undefined;
    } else if ('blacklist' in part) {
      const unwanted = among(part.blacklist);
      matches.push(held.filter((value) => !unwanted.includes(value)));
    } else if ('whitelist' in part) matches.push(among(part.whitelist));
    else matches.push(held);
  }
  return matches;
}

// Expressions are an operator's, what they are matched against is not: a long text could keep one busy.
const matchedCharactersMax = 1024;

function isAmong(value: string, wanted: readonly string[], part: RemoteRule): boolean {
  if (!('regex' in part) || part.regex !== true) return wanted.includes(value);
  if (value.length > matchedCharactersMax) return false;
  return wanted.some((expression) => new RegExp(expression).test(value));
}

const whole = /^\{(\d+)\}$/;
const within = /\{(\d+)\}/g;

/** A local text with its places filled in: the list itself when it is one place only. Nothing when a place is empty. */
function fill(template: string, matches: readonly Match[]): Match | undefined {
  const only = whole.exec(template)?.[1];
  if (only !== undefined) return matches[Number(only)];
  let complete = true;
  const filled = template.replace(within, (_, at: string) => {
    const match = matches[Number(at)];
    if (match === undefined) complete = false;
    return match?.join(';') ?? '';
  });
  return complete ? [filled] : undefined;
}

/** What the local parts of all rules that apply come to. The first user counts. */
class Gathered {
  private user: MappedUser | undefined;
  private readonly groupIds = new Set<string>();
  private readonly groups: { name: string; domain: DomainNamed }[] = [];
  private projects: { name: string; roles: string[] }[] = [];

  /** False when a place could not be filled. */
  add(local: LocalRule, matches: readonly Match[]): boolean {
    let complete = true;
    const list = (template: string): Match => {
      const filled = fill(template, matches);
      if (filled === undefined) complete = false;
      return filled ?? [];
    };
    const one = (template: string | undefined): string | undefined =>
      template === undefined ? undefined : list(template).join(';');
    const domainOf = (domain: DomainNamed | undefined): DomainNamed => ({
      id: one(domain?.id),
      name: one(domain?.name),
    });
    const { user, group, groups, group_ids: ids, domain, projects } = local;
    if (user !== undefined && this.user === undefined)
      this.user = {
        id: one(user.id),
        name: one(user.name),
        email: one(user.email),
        domain: user.domain && domainOf(user.domain),
        type: user.type ?? 'ephemeral',
      };
    if (group !== undefined && 'id' in group) this.groupIds.add(one(group.id) ?? '');
    else if (group !== undefined)
      this.groups.push({ name: one(group.name) ?? '', domain: domainOf(group.domain) });
    if (groups !== undefined)
      for (const name of list(groups)) this.groups.push({ name, domain: domainOf(domain) });
    if (ids !== undefined) for (const id of list(ids)) this.groupIds.add(id);
    if (projects !== undefined)
      this.projects = projects.map((project) => ({
        name: one(project.name) ?? '',
        roles: project.roles.map((role) => one(role.name) ?? ''),
      }));
    return complete;
  }

  result(): Mapped {
    const { groups, projects } = this;
    const user = this.user ?? { type: 'ephemeral' };
    return { user, groupIds: [...this.groupIds], groups, projects };
  }
}

/**
 * Claims under the names by which mappings made for Apache's mod_auth_openidc know them: `OIDC-claim`,
 * `OIDC_CLAIM_claim` and `HTTP_OIDC_CLAIM`.
 */
export function assertionOf(claims: Readonly<Record<string, unknown>>): Assertion {
  const assertion = new Map<string, readonly string[]>();
  for (const [claim, value] of Object.entries(claims)) {
    const given = (Array.isArray(value) ? value : [value])
      .filter((one) => ['string', 'number', 'boolean'].includes(typeof one))
      .map(String);
    if (given.length === 0) continue;
    const upper = claim.toUpperCase().replace(/[^A-Z0-9]/g, '_');
    for (const name of [`OIDC-${claim}`, `OIDC_CLAIM_${claim}`, `HTTP_OIDC_${upper}`])
      assertion.set(name, given);
  }
  return assertion;
}
