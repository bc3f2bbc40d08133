/** What is said of an operation that did not succeed. */
import type { Operation } from '#cloud/operations';

export type { Operation };

export function roomFailure(operation: Operation): string {
  return operation.error?.message ?? `The operation was ${operation.state}.`;
}
