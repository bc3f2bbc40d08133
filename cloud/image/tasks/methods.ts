/** The ways in which an image's data can be imported, and how a task remembers which one was asked for. */
import { Failure } from '#common';

export const importMethods: readonly string[] = ['glance-direct', 'web-download', 'copy-image'];

export interface ImportInput {
  readonly method: string;
  readonly uri: string | undefined;
}

/** As it was written by `insertTask`; anything else is damage. */
export function parseInput(text: string): ImportInput {
  const input: unknown = JSON.parse(text);
  const request = field(input, 'import_req');
  const method = field(field(request, 'method'), 'name');
  const uri = field(field(request, 'method'), 'uri');
  if (typeof method !== 'string')
    throw new Failure('corrupt', 'task-damaged', 'A task does not say what to import');
  return { method, uri: typeof uri === 'string' ? uri : undefined };
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
