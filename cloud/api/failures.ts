/** How a service's failures become HTTP: one table per dialect, and one fallback by kind for what comes from below. */
import { STATUS_CODES } from 'node:http';
import { type Facts, Failure, type FailureKind, isFailure } from '#common';

export interface FailureEntry {
  readonly kind: FailureKind;
  readonly status: number;
  /** The sentence the client reads. Facts are echoed only where an entry says so. */
  say(facts: Facts): string;
}

/** What the machinery itself throws. */
export type ApiCode =
  | 'unauthorized'
  | 'forbidden-action'
  | 'schema-invalid'
  | 'body-invalid'
  | 'body-too-large'
  | 'route-missing'
  | 'method-not-allowed'
  | 'page-invalid';

/** Answers that every dialect may word in its own way, and need not. */
const common = {
  'media-type-unsupported': {
    kind: 'invalid',
    status: 415,
    say: (facts) =>
      `Unsupported content type: ${facts.found ?? 'none'}; expected ${facts.expected}.`,
  },
  'version-malformed': {
    kind: 'invalid',
    status: 400,
    say: (facts) =>
      `API Version String ${facts.version} is of invalid format. Must be of format MajorNum.MinorNum.`,
  },
  'version-unacceptable': {
    kind: 'invalid',
    status: 406,
    say: (facts) =>
      `Version ${facts.version} is not supported by the API. Minimum is ${facts.min} and maximum is ${facts.max}.`,
  },
  'rate-limited': {
    kind: 'busy',
    status: 429,
    say: (facts) => `Too many requests. Try again in ${facts.waitS} s.`,
  },
  'over-quota': {
    kind: 'conflict',
    status: 413,
    say: (facts) =>
      `Quota exceeded for ${facts.resource}: requested ${facts.requested}, already used ${facts.used} of ${facts.limit}.`,
  },
  'bad-text': {
    kind: 'invalid',
    status: 400,
    say: () => 'Text must not hold NUL characters.',
  },
} as const satisfies Readonly<Record<string, FailureEntry>>;

export type CommonCode = keyof typeof common;

/** A failure that the dialect's table may word, or else the common one does. */
export function commonFailure(code: CommonCode, facts: Facts = {}, cause?: unknown): Failure {
  const entry: FailureEntry = common[code];
  return new Failure(entry.kind, code, entry.say(facts), { facts, cause });
}

function entryOf(dialect: Dialect, code: string): FailureEntry | undefined {
  if (Object.hasOwn(dialect.failures, code)) return dialect.failures[code];
  return Object.hasOwn(common, code) ? common[code as CommonCode] : undefined;
}

/** A dialect's every code, the machinery's among them: one that is not rendered does not compile. */
export type FailureTable = Readonly<Record<string, FailureEntry>> &
  Readonly<Record<ApiCode, FailureEntry>>;

export interface Dialect {
  readonly failures: FailureTable;
  /** The error body of this service's API. */
  body(rendered: { status: number; title: string; message: string; code: string }): unknown;
}

export interface RenderedFailure {
  readonly status: number;
  readonly message: string;
  readonly body: unknown;
}

/** A failure of a table: kind and wording come from its entry. */
export function failureOf<T extends FailureTable>(
  table: T,
  code: keyof T & string,
  facts: Facts = {},
  cause?: unknown,
): Failure {
  const entry = table[code];
  if (entry === undefined)
    throw new Failure('bug', 'unknown-code', 'No such failure', { facts: { code } });
  return new Failure(entry.kind, code, entry.say(facts), { facts, cause });
}

const statusOfKind: Readonly<Record<FailureKind, number>> = {
  invalid: 400,
  denied: 403,
  missing: 404,
  conflict: 409,
  busy: 503,
  unreachable: 503,
  closed: 503,
  corrupt: 500,
  bug: 500,
};

const unexpected = 'An unexpected error prevented the server from fulfilling your request.';

export function renderFailure(dialect: Dialect, error: unknown): RenderedFailure {
  const { status, message, code } = wordingOf(dialect, error);
  const title = STATUS_CODES[status] ?? 'Error';
  return { status, message, body: dialect.body({ status, title, message, code }) };
}

function wordingOf(dialect: Dialect, error: unknown) {
  if (!isFailure(error)) return { status: 500, message: unexpected, code: 'bug' };
  const entry = entryOf(dialect, error.code);
  if (entry !== undefined)
    return { status: entry.status, message: entry.say(error.facts), code: error.code };
  // Not ours: a room below failed. Its facts are for the log, not for the client.
  const status = statusOfKind[error.kind];
  const message = status >= 500 ? (STATUS_CODES[status] ?? unexpected) : unexpectedOf(error.kind);
  return { status, message: status === 500 ? unexpected : message, code: error.code };
}

function unexpectedOf(kind: FailureKind): string {
  return `The request could not be fulfilled (${kind}).`;
}
