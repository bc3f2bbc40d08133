/**
 * How the command line talks to a running cloud: one HTTP POST a call on `run/control.sock` (owner only), answered
 * with lines of JSON: any number of `{progress}`, then one `{result}` or one `{failure}`.
 */
import type { Facts, FailureKind } from '#common';

export interface Progress {
  readonly what: string;
  readonly done: number;
  /** 0 when unknown. */
  readonly total: number;
  readonly unit: 'bytes' | 'steps';
}

export type ControlLine =
  | { readonly progress: Progress }
  | { readonly result: unknown }
  | { readonly failure: { kind: FailureKind; code: string; message: string; facts: Facts } };

/** A call's own part of the cloud: its arguments are parsed by the handler, its result must be JSON. */
export type ControlHandler = (
  args: Readonly<Record<string, unknown>>,
  report: (progress: Progress) => void,
) => Promise<unknown>;
