/**
 * Policy rules in oslo.policy's language, compiled once to functions. The grammar that is understood:
 *
 *     rule  := and-terms joined by `or`     and := not-terms joined by `and`     not := [`not`] check | `(` rule `)`
 *     check := `@` | `!` | `role:NAME` | `rule:NAME` | LEFT`:`RIGHT
 *
 * LEFT is a path into the caller's credentials, or a quoted literal, or `None`; RIGHT is text that may be a
 * `%(path)s` of the target. Unlike oslo, a credential that is absent never equals a target that is absent.
 */
import { Failure } from '#common';

/** Nested plain data; `undefined` and `null` are both "not there". */
export interface PolicyTarget {
  readonly [name: string]: unknown;
}

export interface PolicyCredentials {
  readonly roles: readonly string[];
  readonly [name: string]: unknown;
}

type Check = (credentials: PolicyCredentials, target: PolicyTarget) => boolean;

export type PolicyRules = Readonly<Record<string, string>>;

export class Policy {
  private readonly checks: ReadonlyMap<string, Check>;
  private readonly rules: PolicyRules;

  /** Throws `invalid` when a rule does not parse or names one that is not there. */
  constructor(rules: PolicyRules) {
    this.rules = rules;
    const checks = new Map<string, Check>();
    for (const [name, text] of Object.entries(rules)) {
      checks.set(
        name,
        parseRule(text, name, rules, (other) => checks.get(other)),
      );
    }
    this.checks = checks;
  }

  /** The same with some rules replaced, as an operator's policy file does; a rule that is not there is refused. */
  with(replaced: PolicyRules): Policy {
    for (const rule of Object.keys(replaced)) {
      if (!Object.hasOwn(this.rules, rule))
        throw new Failure('invalid', 'bad-policy', `There is no policy rule ${rule} to replace`);
    }
    return new Policy({ ...this.rules, ...replaced });
  }

  has(rule: string): boolean {
    return this.checks.has(rule);
  }

  /** Whether the caller may; an unknown rule is a bug, not a refusal. */
  allows(rule: string, credentials: PolicyCredentials, target: PolicyTarget): boolean {
    const check = this.checks.get(rule);
    if (check === undefined) {
      throw new Failure('bug', 'unknown-rule', 'A route names a policy rule that is not there', {
        facts: { rule },
      });
    }
    return check(credentials, target);
  }
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    let rest = word;
    while (rest.startsWith('(')) {
      tokens.push('(');
      rest = rest.slice(1);
    }
    // A closing parenthesis may belong to `%(path)s`, which ends in `)s`; only trailing ones close a group.
    const closing = /\)*$/.exec(rest)?.[0].length ?? 0;
    const core = rest.slice(0, rest.length - closing);
    if (core !== '') tokens.push(core);
    for (let at = 0; at < closing; at++) tokens.push(')');
  }
  return tokens;
}

function parseRule(
  text: string,
  name: string,
  rules: PolicyRules,
  find: (rule: string) => Check | undefined,
): Check {
  const tokens = tokensOf(text);
  if (tokens.length === 0) return () => true;
  let at = 0;
  const fail = (why: string): never => {
    throw new Failure('invalid', 'bad-policy', `Policy rule ${name}: ${why}`, { facts: { text } });
  };
  const anyOf = (): Check => {
    const parts = [allOf()];
    while (tokens[at]?.toLowerCase() === 'or') {
      at++;
      parts.push(allOf());
    }
    return (credentials, target) => parts.some((part) => part(credentials, target));
  };
  const allOf = (): Check => {
    const parts = [one()];
    while (tokens[at]?.toLowerCase() === 'and') {
      at++;
      parts.push(one());
    }
    return (credentials, target) => parts.every((part) => part(credentials, target));
  };
  const one = (): Check => {
    const token = tokens[at++] ?? fail('ends too early');
    if (token.toLowerCase() === 'not') {
      const inner = one();
      return (credentials, target) => !inner(credentials, target);
    }
    if (token !== '(') return parseCheck(token, rules, find, fail);
    const inner = anyOf();
    if (tokens[at++] !== ')') fail('a parenthesis is not closed');
    return inner;
  };
  const whole = anyOf();
  if (at < tokens.length) fail(`did not expect ${tokens[at]}`);
  return whole;
}

function parseCheck(
  token: string,
  rules: PolicyRules,
  find: (rule: string) => Check | undefined,
  fail: (why: string) => never,
): Check {
  if (token === '@') return () => true;
  if (token === '!') return () => false;
  const colon = token.indexOf(':');
  if (colon < 0) fail(`${token} is not a check`);
  const left = token.slice(0, colon);
  const right = token.slice(colon + 1);
  if (left === 'rule') {
    if (!Object.hasOwn(rules, right)) fail(`there is no rule ${right}`);
    // Looked up at the time of asking: rules may name later ones. A cycle refuses by its depth.
    return guardDepth((credentials, target) => find(right)?.(credentials, target) ?? false);
  }
  if (left === 'role') {
    const role = right.toLowerCase();
    return (credentials) => credentials.roles.some((held) => held.toLowerCase() === role);
  }
  return compareCheck(left, right);
}

function guardDepth(check: Check): Check {
  let depth = 0;
  return (credentials, target) => {
    if (depth >= 32) return false;
    depth++;
    try {
      return check(credentials, target);
    } finally {
      depth--;
    }
  };
}

function compareCheck(left: string, right: string): Check {
  const path = /^%\(([^)]+)\)s$/.exec(right)?.[1];
  const wanted = (target: PolicyTarget): string | undefined =>
    path === undefined ? right : textOf(lookUp(target, path));
  if (left === 'None') return (_, target) => wanted(target) === undefined;
  const literal =
    /^'(.*)'$/.exec(left)?.[1] ?? (/^(True|False|\d+)$/.test(left) ? left : undefined);
  if (literal !== undefined) return (_, target) => wanted(target) === literal;
  return (credentials, target) => {
    const held = textOf(lookUp(credentials, left));
    return held !== undefined && held === wanted(target);
  };
}

function lookUp(from: PolicyTarget, path: string): unknown {
  let value: unknown = from;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name))
      return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  return undefined;
}
