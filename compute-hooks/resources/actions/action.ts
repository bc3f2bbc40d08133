/** What an action on a server is made of, and the states in which it may be asked for. */
import type { TSchema } from 'typebox';
import { type ApiReply, compileSchema } from '#cloud/api';
import type { Request } from '../../caller.ts';
import type { ComputeCore, Tx } from '../../core.ts';
import { computeFailure } from '../../failures.ts';
import { begin } from '../../operations.ts';
import { findServer, serverMissing } from '../../rows.ts';
import { type ServerKind, vmState } from '../../status.ts';
import type { ServerRow } from '../../tables.ts';

export interface Action {
  readonly policy: string;
  /** Microversions (2.x) that have it. */
  readonly from?: number;
  readonly until?: number;
  readonly whileLocked?: boolean;
  check?(argument: unknown): void;
  // The argument was checked by `check`.
  // biome-ignore lint/suspicious/noExplicitAny: each action knows the shape that its own schema has checked
  run(core: ComputeCore, request: Request, row: ServerRow, argument: any): Promise<ApiReply>;
}

/** Checks an action's argument when it is asked for; schemas are compiled when they are first needed. */
export function checked(schema: TSchema): (argument: unknown) => void {
  let check: ReturnType<typeof compileSchema> | undefined;
  return (argument) => {
    check ??= compileSchema(schema);
    const problem = check(argument ?? null);
    if (problem !== undefined) throw computeFailure('schema-invalid', { detail: problem });
  };
}

export function refuseState(row: ServerRow, action: string, states: readonly string[]): void {
  const state = vmState(row);
  if (states.includes(state)) return;
  throw computeFailure('wrong-state', { action, id: row.id, what: 'vm_state', state });
}

export interface Changing {
  /** Its name in the server's history and in refusals. */
  readonly action: string;
  readonly kind: ServerKind;
  readonly change: string;
  readonly states: readonly string[];
  readonly input?: object;
  /** More that belongs to the same transaction. */
  also?(transaction: Tx, row: ServerRow): Promise<void>;
}

/** Begins a change of a server that is in one of these states and that nothing else is at work on. */
export async function beginChange(
  core: ComputeCore,
  request: Request,
  row: ServerRow,
  changing: Changing,
): Promise<string> {
  const { action, kind, change, states, input = {} } = changing;
  return await core.changeOf(row.project_id, async (transaction) => {
    const now = await findServer(transaction, row.id);
    if (now === undefined) throw serverMissing(row.id);
    if (now.operation_id === null) refuseState(now, action, states);
    const id = await begin(core, transaction, request, {
      server: now,
      kind,
      action,
      workflow: 'server.change',
      input: { serverId: row.id, change, input },
    });
    await changing.also?.(transaction, now);
    return id;
  });
}

export const accepted: ApiReply = { status: 202 };
