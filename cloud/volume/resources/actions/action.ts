/** Actions as declarations: name, rule, schema, what to do. */
import type { Static, TSchema } from 'typebox';
import { type ApiReply, compileSchema } from '../../../api/index.ts';
import type { Request } from '../../caller.ts';
import type { VolumeRow } from '../../tables.ts';

export interface Action {
  readonly name: string;
  readonly policy: string;
  /** Minor version that it came with. */
  readonly since?: number | undefined;
  /** What is wrong with its body, or nothing. */
  readonly check: (body: unknown) => string | undefined;
  /** `body` was checked. */
  readonly run: (request: Request, volume: VolumeRow, body: unknown) => Promise<ApiReply>;
}

export function action<const S extends TSchema>(declaration: {
  readonly name: string;
  readonly policy: string;
  readonly since?: number;
  readonly body: S;
  readonly run: (request: Request, volume: VolumeRow, body: Static<S>) => Promise<ApiReply>;
}): Action {
  return {
    name: declaration.name,
    policy: declaration.policy,
    since: declaration.since,
    check: compileSchema(declaration.body),
    // The one place where a body changes its type: `check` has seen it.
    run: (request, volume, body) => declaration.run(request, volume, body as Static<S>),
  };
}

export const accepted: ApiReply = { status: 202 };
