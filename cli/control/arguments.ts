/** Arguments of control calls come from outside the process: they are parsed, not believed. */
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { Failure } from '#common';

export function parseArguments<S extends TSchema>(schema: S, args: unknown): Static<S> {
  if (Value.Check(schema, args)) return args as Static<S>;
  const first = Value.Errors(schema, args)[0];
  const where = first?.instancePath?.slice(1) || 'the arguments';
  throw new Failure('invalid', 'bad-arguments', `${where} ${first?.message ?? 'are wrong'}`);
}
