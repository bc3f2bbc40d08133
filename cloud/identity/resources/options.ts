/** Resource options: what Keystone keeps under `options`; null takes one away. */
import { identityFailure } from '../failures.ts';
import { parseExtra } from './fields.ts';

interface WithOptions {
  readonly id: string;
  readonly options: string;
}

export function mergeOptions(stored: string, given: object | undefined): string {
  if (given === undefined) return stored;
  const merged = Object.entries({ ...parseExtra(stored), ...given });
  return JSON.stringify(Object.fromEntries(merged.filter(([, value]) => value !== null)));
}

export const isImmutable = (row: WithOptions): boolean =>
  parseExtra(row.options).immutable === true;

/** What is immutable takes one change: being set free, and nothing with it. */
export function refuseImmutable(row: WithOptions, changes: object, what: string): void {
  if (!isImmutable(row)) return;
  const options: unknown = 'options' in changes ? changes.options : undefined;
  const frees =
    typeof options === 'object' &&
    options !== null &&
    'immutable' in options &&
    (options.immutable === false || options.immutable === null);
  if (frees && Object.keys(changes).length === 1) return;
  throw identityFailure('immutable', { verb: 'update', what, id: row.id });
}

export function refuseImmutableRemoval(row: WithOptions, what: string): void {
  if (isImmutable(row)) throw identityFailure('immutable', { verb: 'delete', what, id: row.id });
}
