/** Policies of buckets, users and sessions: parsed and bounded when they are put, so that evaluating them needs no checks. */
import { S3Failure } from '../s3-failure.ts';
import { isKnownOperator } from './condition-operators.ts';
import { appliesTo, isKnownAction } from './known-actions.ts';

export interface Statement {
  readonly allows: boolean;
  /** Absent in policies that belong to a principal. */
  readonly principals?: PrincipalSet;
  readonly actions: readonly string[];
  readonly notActions: boolean;
  readonly resources: readonly string[];
  readonly notResources: boolean;
  readonly conditions: readonly Condition[];
}

export interface PrincipalSet {
  readonly everyone: boolean;
  readonly aws: readonly string[];
  readonly canonical: readonly string[];
  readonly inverted: boolean;
}

export interface Condition {
  readonly operator: string;
  readonly key: string;
  readonly values: readonly string[];
}

export const policyBytesMax = 20_480;
const statementsMax = 500;
const valuesMax = 2_000;

export interface PolicyBounds {
  /** A bucket's policy names principals and only resources of that bucket. */
  readonly bucket?: string;
  /** As it comes: refused too where it could be evaluated, but would mean nothing. */
  readonly isNew?: boolean;
  /** A role's policy names principals, and no resources: it is about the role itself. */
  readonly trust?: boolean;
}

function malformed(message: string): S3Failure {
  return new S3Failure('MalformedPolicy', { message });
}

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function parsePolicy(text: string, bounds: PolicyBounds): readonly Statement[] {
  if (Buffer.byteLength(text) > policyBytesMax)
    throw new S3Failure('PolicyTooLarge', {
      message: `Policies are at most ${policyBytesMax} bytes long.`,
    });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw malformed(
      text.startsWith('{')
        ? 'This policy contains invalid Json'
        : "Policies must be valid JSON and the first byte must be '{'",
    );
  }
  if (!isObject(document))
    throw malformed("Policies must be valid JSON and the first byte must be '{'");
  const { Version: version = '2008-10-17' } = document;
  if (version !== '2012-10-17' && version !== '2008-10-17')
    throw malformed('The policy must contain a valid version string');
  for (const name of Object.keys(document))
    if (!['Version', 'Id', 'Statement'].includes(name)) throw malformed(`Unknown field ${name}`);
  const given = document.Statement;
  const statements = Array.isArray(given) ? given : given === undefined ? [] : [given];
  if (statements.length === 0) throw malformed('Missing required field Statement');
  if (statements.length > statementsMax) throw malformed('Too many statements');
  if (bounds.isNew === true) checkSids(statements);
  return statements.map((statement) => parseStatement(statement, bounds));
}

function checkSids(statements: readonly unknown[]): void {
  const sids = statements.flatMap((each) =>
    isObject(each) && each.Sid !== undefined ? [each.Sid] : [],
  );
  if (new Set(sids).size !== sids.length)
    throw malformed('Statement IDs (SID) in a single policy must be unique.');
}

const statementFields = new Set([
  ...['Sid', 'Effect', 'Principal', 'NotPrincipal', 'Action', 'NotAction'],
  ...['Resource', 'NotResource', 'Condition'],
]);

function parseStatement(value: unknown, bounds: PolicyBounds): Statement {
  if (!isObject(value)) throw malformed('A statement must be an object');
  for (const name of Object.keys(value))
    if (!statementFields.has(name)) throw malformed(`Unknown field ${name}`);
  if (value.Effect !== 'Allow' && value.Effect !== 'Deny')
    throw malformed(`Invalid effect: ${String(value.Effect)}`);
  const [actions, notActions] = either(value, 'Action', 'NotAction');
  const [resources, notResources] =
    bounds.trust === true ? ([['*'], false] as const) : either(value, 'Resource', 'NotResource');
  for (const action of actions) checkAction(action, bounds);
  for (const resource of resources) checkResource(resource, bounds);
  if (bounds.bucket !== undefined && bounds.isNew === true && !notActions && !notResources)
    for (const action of actions)
      if (!appliesTo(action, resources))
        throw malformed('Action does not apply to any resource(s) in statement');
  const principals = parsePrincipals(value, bounds);
  return {
    allows: value.Effect === 'Allow',
    ...(principals === undefined ? {} : { principals }),
    actions: actions.map((action) => action.toLowerCase()),
    notActions,
    resources,
    notResources,
    conditions: parseConditions(value.Condition),
  };
}

function either(value: Json, name: string, inverse: string): readonly [readonly string[], boolean] {
  if ((value[name] === undefined) === (value[inverse] === undefined))
    throw malformed(`Missing required field ${name}`);
  const inverted = value[name] === undefined;
  const what = name.toLowerCase();
  return [textList(value[inverted ? inverse : name], what), inverted];
}

function textList(value: unknown, what: string): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0 || list.length > valuesMax) throw malformed(`Policy has invalid ${what}`);
  return list.map((item) => {
    if (typeof item === 'boolean' || typeof item === 'number') return String(item);
    if (typeof item !== 'string') throw malformed(`Policy has invalid ${what}`);
    return item;
  });
}

/** A bucket's policy is about S3 alone; those of users and roles may speak of services that are not here, and say nothing then. */
function checkAction(action: string, { bucket, isNew }: PolicyBounds): void {
  const ofService =
    bucket === undefined
      ? /^[a-z0-9-]+:[A-Za-z0-9*?]+$/i
      : /^(s3|s3-object-lambda):[A-Za-z0-9*?]+$/i;
  const isKnown = bucket === undefined || isNew !== true || isKnownAction(action);
  if (action === '*' || (ofService.test(action) && isKnown)) return;
  throw malformed('Policy has invalid action');
}

function checkResource(resource: string, { bucket }: PolicyBounds): void {
  if (bucket === undefined) {
    if (resource === '*' || resource.startsWith('arn:')) return;
    throw malformed('Policy has invalid resource');
  }
  // Neither region nor account is part of a bucket's name; those who write `*` for them mean any.
  const name = /^arn:aws[a-z-]*:s3:\*?:\*?:([^/]*)(\/.*)?$/s.exec(resource)?.[1];
  if (name !== bucket && !(name !== undefined && /[*?]/.test(name)))
    throw malformed('Policy has invalid resource');
}

function parsePrincipals(value: Json, { bucket, trust }: PolicyBounds): PrincipalSet | undefined {
  const inverted = value.Principal === undefined && value.NotPrincipal !== undefined;
  const given = value.Principal ?? value.NotPrincipal;
  if (bucket === undefined && trust !== true) {
    if (given !== undefined) throw malformed('Policy document should not specify a principal.');
    return undefined;
  }
  if (given === undefined) throw malformed('Missing required field Principal');
  if (given === '*') return { everyone: true, aws: [], canonical: [], inverted };
  if (!isObject(given)) throw malformed('Invalid principal in policy');
  for (const name of Object.keys(given))
    if (!['AWS', 'CanonicalUser', 'Service', 'Federated'].includes(name))
      throw malformed('Invalid principal in policy');
  const aws = given.AWS === undefined ? [] : principalList(given.AWS);
  for (const name of aws) checkPrincipal(name);
  const canonical = given.CanonicalUser === undefined ? [] : principalList(given.CanonicalUser);
  return { everyone: aws.includes('*'), aws, canonical, inverted };
}

function principalList(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  // An account's number may be written as one.
  const names = list.filter((name) => typeof name === 'string' || typeof name === 'number');
  if (list.length === 0 || list.length > valuesMax || names.length < list.length)
    throw malformed('Invalid principal in policy');
  return names.map(String);
}

function checkPrincipal(name: string): void {
  const isArn =
    /^arn:aws[a-z-]*:(iam|sts)::[^:]*:(root|(user|role|assumed-role|federated-user)\/.+)$/;
  if (name === '*' || /^[\w-]{1,64}$/.test(name) || isArn.test(name)) return;
  throw malformed('Invalid principal in policy');
}

function parseConditions(value: unknown): readonly Condition[] {
  if (value === undefined) return [];
  if (!isObject(value)) throw malformed('Invalid Condition');
  const conditions: Condition[] = [];
  for (const [operator, keys] of Object.entries(value)) {
    if (!isKnownOperator(operator)) throw malformed(`Invalid Condition type : ${operator}`);
    if (!isObject(keys)) throw malformed('Invalid Condition');
    for (const [key, values] of Object.entries(keys))
      conditions.push({ operator, key: key.toLowerCase(), values: textList(values, 'condition') });
  }
  return conditions;
}
