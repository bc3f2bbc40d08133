/** Small shapes that the service's files share. */

/** Names to values; names are lower-case. */
export type Fields = Readonly<Record<string, string>>;

export const noFields: Fields = Object.freeze({});

/** One page of a listing. */
export interface Page<T> {
  readonly entries: readonly T[];
  /** True when at least one more entry follows. */
  readonly more: boolean;
}
