/** What a policy says of a request: an explicit denial beats everything, and nothing said is nothing allowed. Pure. */
import { holds, takesPatterns } from './condition-operators.ts';
import { literally, matchesGlob } from './glob.ts';
import type { PrincipalSet, Statement } from './policy-document.ts';

/** Who asks, in the names that policies use. */
export interface PrincipalNames {
  /** The project. */
  readonly accountId: string;
  readonly canonicalId: string;
  /** `arn:aws:iam::PROJECT:user/NAME`, and for a session the role's as well. */
  readonly arns: readonly string[];
}

export interface PolicyQuestion {
  /** Undefined for an unsigned request. */
  readonly principal: PrincipalNames | undefined;
  readonly action: string;
  /** `arn:aws:s3:::bucket/key`. */
  readonly resource: string;
  /** Lower-case keys. */
  readonly context: (key: string) => readonly string[] | undefined;
}

export type Verdict = 'allow' | 'deny' | 'silent';

export function evaluatePolicy(
  statements: readonly Statement[],
  question: PolicyQuestion,
): Verdict {
  let verdict: Verdict = 'silent';
  const action = question.action.toLowerCase();
  for (const statement of statements) {
    if (!applies(statement, question, action)) continue;
    if (!statement.allows) return 'deny';
    verdict = 'allow';
  }
  return verdict;
}

function applies(statement: Statement, question: PolicyQuestion, action: string): boolean {
  const { actions, notActions, resources, notResources, principals, conditions } = statement;
  if (actions.some((pattern) => matchesGlob(pattern, action)) === notActions) return false;
  if (principals !== undefined && !includes(principals, question.principal)) return false;
  const named = (pattern: string): boolean =>
    matchesGlob(substitute(pattern, question, literally), question.resource);
  if (resources.some(named) === notResources) return false;
  return conditions.every(({ operator, key, values }) => {
    const quote = takesPatterns(operator) ? literally : asItIs;
    const wanted = values.map((value) => substitute(value, question, quote));
    return holds(operator, question.context(key), wanted);
  });
}

function includes(set: PrincipalSet, who: PrincipalNames | undefined): boolean {
  return isNamed(set, who) !== set.inverted;
}

function isNamed(set: PrincipalSet, who: PrincipalNames | undefined): boolean {
  if (set.everyone) return true;
  if (who === undefined) return false;
  if (set.canonical.includes(who.canonicalId)) return true;
  return set.aws.some(
    (name) =>
      name === who.accountId ||
      isRootOf(name, who.accountId) ||
      who.arns.includes(name) ||
      // What Ceph calls an account's holder: a user of no account, by its canonical id.
      name === `arn:aws:iam:::user/${who.canonicalId}`,
  );
}

function isRootOf(arn: string, accountId: string): boolean {
  return /^arn:aws[a-z-]*:iam::([^:]*):root$/.exec(arn)?.[1] === accountId;
}

const asItIs = (text: string): string => text;

/** `${aws:username}` and the like; `${*}` is a plain `*`. What the request brings in is never a pattern: a user may be called `*`. */
function substitute(
  text: string,
  question: PolicyQuestion,
  quote: (text: string) => string,
): string {
  if (!text.includes('${')) return text;
  return text.replace(/\$\{([^}]{1,100})\}/g, (whole, name: string) => {
    if (name === '*' || name === '?' || name === '$') return quote(name);
    const [key = '', otherwise] = name.split(',').map((word) => word.trim());
    const value = question.context(key.toLowerCase())?.[0] ?? otherwise?.replace(/^'|'$/g, '');
    return quote(value ?? whole);
  });
}

const publicKeys =
  /^(aws:(sourceip|sourcearn|sourceaccount|sourcevpc|sourcevpce|principalorgid|userid)|s3:dataaccesspoint)/;

/** Whether a policy gives something to the whole world: allowed to everybody, and not bound to fixed origins. */
export function isPublicPolicy(statements: readonly Statement[]): boolean {
  return statements.some(
    ({ allows, principals, conditions }) =>
      allows &&
      (principals?.everyone === true || principals?.inverted === true) &&
      !conditions.some(({ key, values, operator }) => isFixed(operator, key, values)),
  );
}

function isFixed(operator: string, key: string, values: readonly string[]): boolean {
  if (!publicKeys.test(key) || /Not|Null|IfExists/.test(operator)) return false;
  if (key === 'aws:sourceip') return !values.some((value) => /\/0$/.test(value));
  return !values.some((value) => /[*?]/.test(value));
}
