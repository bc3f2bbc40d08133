/** The one error class of the project: an expected failure, and what its receiver should do about it. */

/**
 * What a caller does on meeting a failure. Closed on purpose:
 * `invalid` `denied` `missing` `conflict`: change the request · `busy`: wait · `unreachable`: try elsewhere ·
 * `corrupt`: repair from another copy · `closed`: stop · `bug`: report.
 */
export type FailureKind =
  | 'invalid'
  | 'denied'
  | 'missing'
  | 'conflict'
  | 'busy'
  | 'unreachable'
  | 'corrupt'
  | 'closed'
  | 'bug';

/** Facts are printed as `key=value` behind the message; never put a secret in one. */
export type Facts = Readonly<Record<string, string | number | boolean | undefined>>;

export interface FailureOptions {
  readonly facts?: Facts;
  readonly cause?: unknown;
}

/** `code` is a stable kebab-case word that a dialect's table renders; `message` is for people. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly kind: FailureKind;
  readonly code: string;
  readonly facts: Facts;

  constructor(kind: FailureKind, code: string, message: string, options: FailureOptions = {}) {
    super(
      message + renderFacts(options.facts),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.kind = kind;
    this.code = code;
    this.facts = options.facts ?? {};
  }
}

function renderFacts(facts: Facts | undefined): string {
  if (facts === undefined) return '';
  const known = Object.entries(facts).filter(([, value]) => value !== undefined);
  return known.map(([key, value]) => ` ${key}=${value}`).join('');
}

/** True for a Failure, optionally of one kind. */
export function isFailure(error: unknown, kind?: FailureKind): error is Failure {
  return error instanceof Failure && (kind === undefined || error.kind === kind);
}

/** The sentence to show for anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The operating system's error code (`ENOSPC`, `EADDRINUSE` …) of anything thrown, causes included. */
export function systemCodeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string' && /^E[A-Z0-9]+$/.test(at.code)) return at.code;
  }
  return undefined;
}
