/** The policy language: every operator of conditions, variables, principals, and what is refused when it is put. */
import { describe, expect, test } from 'vitest';
import { holds, isKnownOperator } from './condition-operators.ts';
import { evaluatePolicy, isPublicPolicy, type PolicyQuestion } from './evaluate-policy.ts';
import { literally, matchesGlob } from './glob.ts';
import { parsePolicy } from './policy-document.ts';

describe('operators', () => {
  test.each([
    ['StringEquals', 'a', ['b', 'a'], true],
    ['StringEquals', 'A', ['a'], false],
    ['StringEqualsIgnoreCase', 'A', ['a'], true],
    ['StringNotEquals', 'a', ['b', 'a'], false],
    ['StringNotEquals', 'c', ['b', 'a'], true],
    ['StringNotEqualsIgnoreCase', 'A', ['a'], false],
    ['StringLike', 'home/ann/x', ['home/*'], true],
    ['StringLike', 'ab', ['a?'], true],
    ['StringNotLike', 'home/ann/x', ['home/*'], false],
    ['NumericEquals', '10', ['10.0'], true],
    ['NumericNotEquals', '10', ['10'], false],
    ['NumericLessThan', '9', ['10'], true],
    ['NumericLessThanEquals', '10', ['10'], true],
    ['NumericGreaterThan', '10', ['10'], false],
    ['NumericGreaterThanEquals', '10', ['10'], true],
    ['NumericLessThan', 'nine', ['10'], false],
    ['DateEquals', '2030-01-01T00:00:00Z', ['2030-01-01T01:00:00+01:00'], true],
    ['DateNotEquals', '2030-01-01T00:00:00Z', ['2030-01-01T00:00:00Z'], false],
    ['DateLessThan', '2029-12-31T00:00:00Z', ['2030-01-01T00:00:00Z'], true],
    ['DateLessThanEquals', '1893456000', ['2030-01-01T00:00:00Z'], true],
    ['DateGreaterThan', '2030-01-01T00:00:01Z', ['2030-01-01T00:00:00Z'], true],
    ['DateGreaterThanEquals', '2029-01-01T00:00:00Z', ['2030-01-01T00:00:00Z'], false],
    ['Bool', 'true', ['True'], true],
    ['Bool', 'false', ['true'], false],
    ['BinaryEquals', 'AAE=', ['AAE='], true],
    ['IpAddress', '10.1.2.3', ['10.0.0.0/8'], true],
    ['IpAddress', '::ffff:10.1.2.3', ['10.1.2.3'], true],
    ['IpAddress', '2001:db8::1', ['2001:db8::/32'], true],
    ['IpAddress', '10.1.2.3', ['2001:db8::/32', 'nonsense', '10.0.0.0/40'], false],
    ['NotIpAddress', '10.1.2.3', ['10.0.0.0/8'], false],
    ['NotIpAddress', '11.1.2.3', ['10.0.0.0/8'], true],
    ['ArnEquals', 'arn:aws:iam::p:user/ann', ['arn:aws:iam::p:user/*'], true],
    ['ArnLike', 'arn:aws:iam::p:user/ann', ['arn:aws:iam::q:user/*'], false],
    ['ArnNotEquals', 'arn:aws:iam::p:user/ann', ['arn:aws:iam::p:user/ann'], false],
    ['ArnNotLike', 'arn:aws:iam::p:user/ann', ['arn:aws:iam::q:*'], true],
  ])('%s %s %j: %s', (operator, actual, wanted, outcome) => {
    expect(holds(operator, [actual], wanted)).toBe(outcome);
    expect(holds(`${operator}IfExists`, [actual], wanted)).toBe(outcome);
  });

  test('what the request does not have: only negations and IfExists hold', () => {
    expect(holds('StringEquals', undefined, ['a'])).toBe(false);
    expect(holds('StringEqualsIfExists', undefined, ['a'])).toBe(true);
    expect(holds('StringNotEquals', undefined, ['a'])).toBe(true);
    expect(holds('Null', undefined, ['true'])).toBe(true);
    expect(holds('Null', undefined, ['false'])).toBe(false);
    expect(holds('Null', ['x'], ['false'])).toBe(true);
  });

  test('sets: all values, or any; nothing is all, and is not any', () => {
    const tags = ['a', 'b'];
    expect(holds('ForAllValues:StringEquals', tags, ['a', 'b', 'c'])).toBe(true);
    expect(holds('ForAllValues:StringEquals', tags, ['a'])).toBe(false);
    expect(holds('ForAnyValue:StringEquals', tags, ['a'])).toBe(true);
    expect(holds('ForAnyValue:StringNotEquals', tags, ['a'])).toBe(true);
    expect(holds('ForAllValues:StringEquals', undefined, ['a'])).toBe(true);
    expect(holds('ForAnyValue:StringEquals', undefined, ['a'])).toBe(false);
    expect(holds('ForAnyValue:StringNotEquals', undefined, ['a'])).toBe(false);
  });

  test('names that are none', () => {
    for (const name of ['StringEqual', 'ForSomeValues:StringEquals', 'constructor', '', 'IfExists'])
      expect(isKnownOperator(name), name).toBe(false);
  });
});

test('patterns, and text that is none', () => {
  expect(matchesGlob('a*b?c', 'aXXbYc')).toBe(true);
  expect(matchesGlob('a*b', 'a')).toBe(false);
  expect(matchesGlob(`home/${literally('*')}/x`, 'home/ann/x')).toBe(false);
  expect(matchesGlob(`home/${literally('*')}/x`, 'home/*/x')).toBe(true);
  expect(matchesGlob(literally('a?'), 'ab')).toBe(false);
});

function policy(statement: Record<string, unknown>, bucket = 'b') {
  const whole = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', ...statement };
  return parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement: [whole] }), {
    bucket,
    isNew: true,
  });
}

function ask(changes: Partial<PolicyQuestion> = {}, context: Record<string, string> = {}) {
  return {
    principal: { accountId: 'p', canonicalId: 'p', arns: ['arn:aws:iam::p:user/ann'] },
    action: 's3:GetObject',
    resource: 'arn:aws:s3:::b/k',
    context: (key: string) => (context[key] === undefined ? undefined : [context[key]]),
    ...changes,
  };
}

describe('variables', () => {
  const homes = policy({ Resource: `arn:aws:s3:::b/home/\${aws:username}/*` });

  test("a user's own folder", () => {
    const asked = ask({ resource: 'arn:aws:s3:::b/home/ann/x' }, { 'aws:username': 'ann' });
    expect(evaluatePolicy(homes, asked)).toBe('allow');
    const other = ask({ resource: 'arn:aws:s3:::b/home/bob/x' }, { 'aws:username': 'ann' });
    expect(evaluatePolicy(homes, other)).toBe('silent');
  });

  test('a user called like a pattern has no more than its own', () => {
    const asked = ask({ resource: 'arn:aws:s3:::b/home/bob/x' }, { 'aws:username': '*' });
    expect(evaluatePolicy(homes, asked)).toBe('silent');
    const condition = { StringLike: { 's3:prefix': `\${aws:username}/*` } };
    const lists = policy({
      ...{ Action: 's3:ListBucket', Resource: 'arn:aws:s3:::b', Condition: condition },
    });
    const listing = { action: 's3:ListBucket', resource: 'arn:aws:s3:::b' };
    const seen = { 'aws:username': '*', 's3:prefix': 'bob/' };
    expect(evaluatePolicy(lists, ask(listing, seen))).toBe('silent');
    expect(evaluatePolicy(lists, ask(listing, { ...seen, 's3:prefix': '*/' }))).toBe('allow');
  });

  test('one that the request does not have, its default, and plain signs', () => {
    expect(evaluatePolicy(homes, ask({ resource: 'arn:aws:s3:::b/home//x' }))).toBe('silent');
    const withDefault = policy({ Resource: `arn:aws:s3:::b/\${aws:username, 'all'}/*` });
    const asked = ask({ resource: 'arn:aws:s3:::b/all/x' });
    expect(evaluatePolicy(withDefault, asked)).toBe('allow');
    const star = policy({ Resource: `arn:aws:s3:::b/\${*}` });
    expect(evaluatePolicy(star, ask({ resource: 'arn:aws:s3:::b/*' }))).toBe('allow');
    expect(evaluatePolicy(star, ask())).toBe('silent');
  });
});

test('a denial beats everything, and inversions mean the rest', () => {
  const all = policy({ Resource: 'arn:aws:s3:::b/*' });
  const deny = policy({ Effect: 'Deny', Resource: 'arn:aws:s3:::b/secret/*' });
  const secret = ask({ resource: 'arn:aws:s3:::b/secret/k' });
  expect(evaluatePolicy([...all, ...deny], secret)).toBe('deny');
  expect(evaluatePolicy([...deny, ...all], ask())).toBe('allow');
  const others = policy({
    ...{ Effect: 'Deny', Principal: undefined, Resource: 'arn:aws:s3:::b/*' },
    NotPrincipal: { AWS: 'arn:aws:iam::p:user/ann' },
  });
  expect(evaluatePolicy(others, ask())).toBe('silent');
  expect(evaluatePolicy(others, ask({ principal: undefined }))).toBe('deny');
  const notRead = policy({
    ...{ Effect: 'Deny', Action: undefined, NotAction: 's3:Get*', Resource: 'arn:aws:s3:::b/*' },
  });
  expect(evaluatePolicy(notRead, ask({ action: 's3:PutObject' }))).toBe('deny');
  expect(evaluatePolicy(notRead, ask())).toBe('silent');
});

test.each([
  [{ Effect: 'Perhaps' }, 'Invalid effect: Perhaps'],
  [{ Action: 's3:NoSuchThing' }, 'Policy has invalid action'],
  [{ Action: 's3:hello*' }, 'Policy has invalid action'],
  [{ Action: 'GetObject' }, 'Policy has invalid action'],
  [{ Action: [] }, 'Policy has invalid action'],
  [{ Resource: 'arn:aws:s3:::other/*' }, 'Policy has invalid resource'],
  [{ Resource: [] }, 'Policy has invalid resource'],
  [{ Action: 's3:ListBucket' }, 'Action does not apply to any resource(s) in statement'],
  [{ Resource: 'arn:aws:s3:::b' }, 'Action does not apply to any resource(s) in statement'],
  [{ Principal: ['*'] }, 'Invalid principal in policy'],
  [{ Principal: { AWS: [] } }, 'Invalid principal in policy'],
  [{ Principal: { AWS: 'not an arn' } }, 'Invalid principal in policy'],
  [{ Condition: { StringIs: { a: 'b' } } }, 'Invalid Condition type : StringIs'],
])('refused: %j', (statement, message) => {
  expect(() => policy({ Resource: 'arn:aws:s3:::b/*', ...statement })).toThrow(message);
});

test('accepted: wildcards, services, a bucket and what is in it', () => {
  const both = ['arn:aws:s3:::b', 'arn:aws:s3:::b/*'];
  for (const Action of ['*', 's3:*', 's3:Get*', ['s3:ListBucket', 's3:GetObject']])
    expect(policy({ Action, Resource: both })).toHaveLength(1);
  const logs = { Principal: { Service: 'logging.s3.amazonaws.com' }, Action: 's3:PutObject' };
  expect(policy({ ...logs, Resource: 'arn:aws:s3:::b/logs/*' })).toHaveLength(1);
});

test('what is public: everybody, unless bound to where they come from', () => {
  const resource = { Resource: 'arn:aws:s3:::b/*' };
  expect(isPublicPolicy(policy(resource))).toBe(true);
  expect(isPublicPolicy(policy({ ...resource, Principal: { AWS: 'p' } }))).toBe(false);
  const from = (ip: string) => ({ Condition: { IpAddress: { 'aws:SourceIp': ip } } });
  expect(isPublicPolicy(policy({ ...resource, ...from('10.0.0.0/8') }))).toBe(false);
  expect(isPublicPolicy(policy({ ...resource, ...from('0.0.0.0/0') }))).toBe(true);
  expect(isPublicPolicy(policy({ ...resource, Effect: 'Deny' }))).toBe(false);
});
