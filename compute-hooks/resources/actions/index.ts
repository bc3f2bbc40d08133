/** `POST /servers/{id}/action`: one route, whose body's only key says what is asked for. */
import Type from 'typebox';
import type { ApiReply, Route } from '#cloud/api';
import { type ComputeCaller, compute, type Request } from '../../caller.ts';
import type { ComputeCore } from '../../core.ts';
import { computeFailure, refused } from '../../failures.ts';
import { serverTarget, theServer } from '../../rows.ts';
import type { ServerRow } from '../../tables.ts';
import { olderConsoleActions } from '../remote-consoles.ts';
import { refuseLocked } from '../servers.ts';
import type { Action } from './action.ts';
import { adminActions } from './admin.ts';
import { consoleActions } from './consoles.ts';
import { imageActions } from './images.ts';
import { moveActions } from './moves.ts';
import { powerActions } from './power.ts';
import { rebuildActions } from './rebuild.ts';
import { securityGroupActions } from './security-groups.ts';
import { shelveActions } from './shelve.ts';

export const serverActions: Readonly<Record<string, Action>> = {
  ...powerActions,
  ...rebuildActions,
  ...moveActions,
  ...shelveActions,
  ...imageActions,
  ...consoleActions,
  ...adminActions,
  ...securityGroupActions,
  ...olderConsoleActions,
};

const bodyBytesMax = 262_144;

export function serverActionRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const target = serverTarget(core);
  return [
    compute({
      method: 'POST',
      path: '/servers/:server_id/action',
      policy: 'any-token',
      bodyBytesMax,
      body: Type.Record(Type.String({ maxLength: 64 }), Type.Unknown(), {
        minProperties: 1,
        maxProperties: 1,
      }),
      handle: async (request) => {
        const [[name, argument] = ['', undefined]] = Object.entries(request.body);
        const action = Object.hasOwn(serverActions, name) ? serverActions[name] : undefined;
        const within = action !== undefined && isWithin(action, request.minor);
        if (action === undefined || !within)
          throw refused(`There is no such action: ${name.slice(0, 64)}`);
        const row = await theServer(core, request);
        if (!request.may(action.policy, await target(request)))
          throw computeFailure('forbidden-action', { action: action.policy });
        return await perform(core, request, { name, action, argument, row });
      },
    }),
  ];
}

const isWithin = ({ from = 1, until = 999 }: Action, minor: number) =>
  minor >= from && minor <= until;

async function perform(
  core: ComputeCore,
  request: Request,
  asked: {
    readonly name: string;
    readonly action: Action;
    readonly argument: unknown;
    readonly row: ServerRow;
  },
): Promise<ApiReply> {
  const { action, argument, row } = asked;
  action.check?.(argument);
  if (action.whileLocked !== true) refuseLocked(request, row);
  return await action.run(core, request, row, argument ?? {});
}
