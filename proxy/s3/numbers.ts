/** Whole numbers in queries. */
import { invalidArgument } from './s3-failure.ts';

export interface NumberBounds {
  readonly name: string;
  readonly min: number;
  readonly max: number;
}

/** The parameter's value; undefined when it is absent or empty; `InvalidArgument` when it is no number within the bounds. */
export function numberParameter(
  query: ReadonlyMap<string, string>,
  { name, min, max }: NumberBounds,
): number | undefined {
  const text = query.get(name);
  if (text === undefined || text === '') return undefined;
  if (!/^-?\d{1,15}$/.test(text))
    throw invalidArgument(name, text, `Provided ${name} not an integer or within integer range`);
  const value = Number(text);
  if (value < min || value > max)
    throw invalidArgument(
      name,
      text,
      `Argument ${name === 'max-keys' ? 'maxKeys' : name} must be an integer between ${min} and ${max}`,
    );
  return value;
}

/** `max-keys` and its like: at most 2^31-1 may be asked for, at most 1,000 are given. */
export function pageLimit(query: ReadonlyMap<string, string>, name: string): number {
  return Math.min(numberParameter(query, { name, min: 0, max: 2_147_483_647 }) ?? 1000, 1000);
}
