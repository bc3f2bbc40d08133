/** Cross-origin rules: which pages of other origins browsers may let read a bucket. */

import { matchesGlob } from '../access/glob.ts';
import { S3Failure } from '../s3-failure.ts';
import type { XmlNode } from '../xml/parse.ts';
import { element, optionalElement, wrap } from '../xml/write.ts';
import { type BucketDocument, malformed, wholeNumber } from './bucket-document.ts';

export interface CorsRule {
  readonly id: string | undefined;
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  readonly exposed: readonly string[];
  readonly maxAgeS: number | undefined;
}

const rulesMax = 100;
const methods = new Set(['GET', 'PUT', 'POST', 'DELETE', 'HEAD']);

export const corsDocument: BucketDocument<readonly CorsRule[]> = {
  field: 's3-cors',
  root: 'CORSConfiguration',
  tagsMax: 20_000,
  actions: { get: 's3:GetBucketCORS', put: 's3:PutBucketCORS' },
  absent: { error: 'NoSuchCORSConfiguration' },
  parse: (root) => {
    const rules = root.children('CORSRule').map(parseRule);
    if (rules.length === 0 || rules.length > rulesMax) throw malformed();
    return rules;
  },
  render: (rules) => rules.map(renderRule).join(''),
  check: (rules) => {
    for (const { headers } of rules) for (const name of headers) checkHeaderName(name);
  },
};

function checkHeaderName(name: string): void {
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name))
    throw new S3Failure('InvalidRequest', {
      message: `AllowedHeader "${name}" contains invalid character.`,
    });
}

function parseRule(node: XmlNode): CorsRule {
  const list = (name: string) => node.children(name).map(({ text }) => text.trim());
  const rule: CorsRule = {
    id: node.childText('ID'),
    origins: list('AllowedOrigin'),
    methods: list('AllowedMethod'),
    headers: list('AllowedHeader'),
    exposed: list('ExposeHeader'),
    maxAgeS:
      node.children('MaxAgeSeconds').length === 0
        ? undefined
        : wholeNumber(node.childText('MaxAgeSeconds')),
  };
  if (rule.origins.length === 0 || rule.methods.length === 0) throw malformed();
  for (const method of rule.methods) if (!methods.has(method)) throw unsupportedMethod(method);
  for (const word of [...rule.origins, ...rule.headers])
    if (word.split('*').length > 2)
      throw new S3Failure('InvalidRequest', {
        message: `AllowedOrigin or AllowedHeader "${word}" can not have more than one wildcard.`,
      });
  return rule;
}

function unsupportedMethod(method: string): S3Failure {
  return new S3Failure('InvalidRequest', {
    message: `Found unsupported HTTP method in CORS config. Unsupported method is ${method}`,
  });
}

function renderRule(rule: CorsRule): string {
  const list = (name: string, words: readonly string[]) =>
    words.map((word) => element(name, word)).join('');
  return wrap(
    'CORSRule',
    optionalElement('ID', rule.id) +
      list('AllowedHeader', rule.headers) +
      list('AllowedMethod', rule.methods) +
      list('AllowedOrigin', rule.origins) +
      list('ExposeHeader', rule.exposed) +
      optionalElement('MaxAgeSeconds', rule.maxAgeS),
  );
}

export interface CorsQuestion {
  readonly origin: string;
  readonly method: string;
  /** Lower case. */
  readonly headers: readonly string[];
}

/** The first rule that lets the page do it. */
export function findCorsRule(
  rules: readonly CorsRule[],
  { origin, method, headers }: CorsQuestion,
): CorsRule | undefined {
  return rules.find(
    (rule) =>
      rule.methods.includes(method) &&
      rule.origins.some((pattern) => matchesGlob(pattern, origin)) &&
      headers.every((name) =>
        rule.headers.some((pattern) => matchesGlob(pattern.toLowerCase(), name)),
      ),
  );
}

/** The headers that tell a browser so. */
export function corsHeaders(rule: CorsRule, question: CorsQuestion): Record<string, string> {
  const isAnyone = rule.origins.includes('*');
  return {
    'access-control-allow-origin': isAnyone ? '*' : question.origin,
    'access-control-allow-methods': rule.methods.join(', '),
    ...(isAnyone ? {} : { 'access-control-allow-credentials': 'true' }),
    ...(question.headers.length === 0
      ? {}
      : { 'access-control-allow-headers': question.headers.join(', ') }),
    ...(rule.exposed.length === 0
      ? {}
      : { 'access-control-expose-headers': rule.exposed.join(', ') }),
    ...(rule.maxAgeS === undefined ? {} : { 'access-control-max-age': String(rule.maxAgeS) }),
    vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
  };
}
