/** A long change as data: its steps, what each may take, and how it is taken back. */
import type { Transaction } from 'kysely';
import type { Static, TSchema } from 'typebox';
import type { Operation } from './record.ts';

/** What steps find out and later ones need; kept with the operation as JSON. Never a secret. */
export type Memory = Readonly<Record<string, unknown>>;

/** Why a step ends early: `cancelled`, `timeout`, `lease-lost`, `closing`. Handed on to whatever the step waits for. */
export interface StepContext<I> {
  readonly operation: Operation;
  readonly input: I;
  readonly memory: Memory;
  readonly signal: AbortSignal;
  /** Counted from 1: a step that is tried again may find what an earlier try has made. */
  readonly attempt: number;
  /** What a person sees; written at most once a second. `total` 0 when it is not known. */
  progress(done: number, total: number, unit?: string): void;
  /**
   * Starts an operation that belongs to this one, or finds the one that was started under this key before. A cancelled
   * or undone parent cancels its children.
   */
  child(start: ChildStart): Promise<Operation>;
}

export interface ChildStart {
  /** Tells children of one parent apart; the same at every try. */
  readonly key: string;
  readonly workflow: string;
  readonly input: unknown;
  readonly resource?: { readonly type: string; readonly id: string };
}

export interface StepResult {
  /** Added to the operation's memory. */
  readonly remember?: Memory;
  /** Happens in the very transaction that records the step as done: both or neither. */
  commit?(transaction: Transaction<unknown>): Promise<void>;
  /** Not done yet, and no failure either: ask again after so long (or when a child ends). */
  readonly againAfterMs?: number;
}

/**
 * Invariant: `run` and `undo` may be called again after having worked, in part or whole, by another process: they create
 * or adopt, remove or find removed. Names of what they make derive from `operation.id` and are never drawn at random.
 */
export interface Step<I> {
  readonly name: string;
  readonly timeoutMs: number;
  /** Tries after the first one that may fail before everything is undone; only failures that waiting can cure count. */
  readonly retriesMax: number;
  run(context: StepContext<I>): Promise<StepResult | undefined>;
  /** Also called when `run` failed half way. Without it there is nothing to take back. Tried until it works. */
  undo?(context: StepContext<I>): Promise<Pick<StepResult, 'commit'> | undefined>;
}

/** What has become of an operation that is at its end. */
export type Outcome = 'succeeded' | 'failed' | 'cancelled';

export interface WorkflowDeclaration<S extends TSchema> {
  /** `image.import`: service and verb. Invariant: steps of a published name are only added or changed compatibly. */
  readonly name: string;
  readonly input: S;
  readonly steps: readonly Step<Static<S>>[];
  /** From this step on there is no way back: it and what follows is tried until it works, and cancel comes too late. */
  readonly pointOfNoReturn?: string;
  /** In the transaction of the end, whichever it is: set the resource free, write down why. */
  ended?(transaction: Transaction<unknown>, operation: Operation, input: Static<S>): Promise<void>;
}

/** A workflow whose input type is known only to itself. */
export interface Workflow {
  readonly name: string;
  readonly input: TSchema;
  readonly steps: readonly Step<unknown>[];
  readonly pointOfNoReturn: number;
  ended(transaction: Transaction<unknown>, operation: Operation, input: unknown): Promise<void>;
}

export function declareWorkflow<const S extends TSchema>(
  declaration: WorkflowDeclaration<S>,
): Workflow {
  const { name, input, steps, pointOfNoReturn } = declaration;
  const at =
    pointOfNoReturn === undefined
      ? steps.length
      : steps.findIndex((step) => step.name === pointOfNoReturn);
  // The one place where inputs change their type: the runner checks each against this very schema first.
  return {
    name,
    input,
    steps: steps as readonly Step<unknown>[],
    pointOfNoReturn: at < 0 ? steps.length : at,
    ended: async (transaction, operation, given) =>
      declaration.ended?.(transaction, operation, given as Static<S>),
  };
}
