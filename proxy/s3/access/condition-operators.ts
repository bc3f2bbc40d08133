/** The operators of policy conditions. Each compares one value of the request with one of the policy. Pure. */
import { BlockList, isIP } from 'node:net';
import { matchesGlob } from './glob.ts';

type Compare = (actual: string, wanted: string) => boolean;

function numbers(compare: (a: number, b: number) => boolean): Compare {
  return (actual, wanted) => {
    const [a, b] = [Number(actual), Number(wanted)];
    return actual !== '' && !Number.isNaN(a) && !Number.isNaN(b) && compare(a, b);
  };
}

function timeOf(text: string): number {
  return /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text);
}

function times(compare: (a: number, b: number) => boolean): Compare {
  return (actual, wanted) => {
    const [a, b] = [timeOf(actual), timeOf(wanted)];
    return !Number.isNaN(a) && !Number.isNaN(b) && compare(a, b);
  };
}

function inNetwork(actual: string, wanted: string): boolean {
  const address = actual.replace(/^::ffff:(?=\d+\.)/, '');
  const [network = '', bits] = wanted.split('/');
  const family = isIP(network);
  if (family === 0 || isIP(address) !== family) return false;
  const length = bits === undefined ? (family === 4 ? 32 : 128) : Number(bits);
  if (!Number.isInteger(length) || length < 0 || length > (family === 4 ? 32 : 128)) return false;
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(network, length, kind);
  return list.check(address, kind);
}

const equals: Compare = (a, b) => a === b;
const sameLetters: Compare = (a, b) => a.toLowerCase() === b.toLowerCase();
const like: Compare = (a, b) => matchesGlob(b, a);
const patterns: ReadonlySet<Compare> = new Set([like]);

interface Operator {
  readonly compare: Compare;
  readonly negated: boolean;
}

const positive: Readonly<Record<string, Compare>> = {
  StringEquals: equals,
  StringEqualsIgnoreCase: sameLetters,
  StringLike: like,
  NumericEquals: numbers((a, b) => a === b),
  NumericLessThan: numbers((a, b) => a < b),
  NumericLessThanEquals: numbers((a, b) => a <= b),
  NumericGreaterThan: numbers((a, b) => a > b),
  NumericGreaterThanEquals: numbers((a, b) => a >= b),
  DateEquals: times((a, b) => a === b),
  DateLessThan: times((a, b) => a < b),
  DateLessThanEquals: times((a, b) => a <= b),
  DateGreaterThan: times((a, b) => a > b),
  DateGreaterThanEquals: times((a, b) => a >= b),
  Bool: sameLetters,
  BinaryEquals: equals,
  IpAddress: inNetwork,
  ArnEquals: like,
  ArnLike: like,
};

const negative: Readonly<Record<string, Compare>> = {
  StringNotEquals: equals,
  StringNotEqualsIgnoreCase: sameLetters,
  StringNotLike: like,
  NumericNotEquals: numbers((a, b) => a === b),
  DateNotEquals: times((a, b) => a === b),
  NotIpAddress: inNetwork,
  ArnNotEquals: like,
  ArnNotLike: like,
};

const form = /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?$/;

export function isKnownOperator(text: string): boolean {
  const name = form.exec(text)?.[2] ?? '';
  return name === 'Null' || operatorOf(name) !== undefined;
}

function operatorOf(name: string): Operator | undefined {
  if (Object.hasOwn(positive, name)) {
    const compare = positive[name];
    return compare === undefined ? undefined : { compare, negated: false };
  }
  const compare = Object.hasOwn(negative, name) ? negative[name] : undefined;
  return compare === undefined ? undefined : { compare, negated: true };
}

/** Whether the policy's values are patterns. */
export function takesPatterns(operator: string): boolean {
  const known = operatorOf(form.exec(operator)?.[2] ?? '');
  return known !== undefined && patterns.has(known.compare);
}

/** `actual`: what the request has under the key; undefined when it has nothing. */
export function holds(
  operator: string,
  actual: readonly string[] | undefined,
  wanted: readonly string[],
): boolean {
  const [, set, name = '', ifExists] = form.exec(operator) ?? [];
  if (name === 'Null') return wanted.some((word) => (word === 'true') === (actual === undefined));
  const known = operatorOf(name);
  if (known === undefined) return false;
  if (actual === undefined) {
    if (ifExists !== undefined || set === 'ForAllValues') return true;
    return known.negated && set === undefined;
  }
  const fits = (value: string): boolean =>
    known.negated !== wanted.some((each) => known.compare(value, each));
  return set === 'ForAllValues' ? actual.every(fits) : actual.some(fits);
}
