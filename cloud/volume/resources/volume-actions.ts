/** `POST /volumes/{id}/action`: one route, one action in its body; each names its own rule. */
import Type from 'typebox';
import type { ApiReply, Route } from '../../api/index.ts';
import { parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import { targetOf, visibleRow } from '../rows.ts';
import type { VolumeRow } from '../tables.ts';
import type { Action } from './actions/action.ts';
import { adminActions } from './actions/administration.ts';
import { attachActions } from './actions/attach.ts';
import { changeActions } from './actions/change.ts';
import { imageActions } from './actions/image.ts';

export function volumeActionRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const target = targetOf(core.db, 'volume', 'volume_id');
  const actions = new Map<string, Action>(
    [
      ...attachActions(core),
      ...changeActions(core),
      ...imageActions(core),
      ...adminActions(core),
    ].map((action) => [action.name, action]),
  );
  return scoped({
    method: 'POST',
    path: '/volumes/:volume_id/action',
    // Each action has a rule of its own, asked below; whoever may see the volume gets to that question.
    policy: 'volume:get',
    target,
    body: Type.Object({}, { minProperties: 1 }),
    handle: async (request) => {
      const [name = ''] = Object.keys(request.body);
      const action = actions.get(name);
      if (action === undefined || request.version.minor < (action.since ?? 0))
        throw volumeFailure('refused', {
          why: `There is no such action: ${name.slice(0, 64)}`,
        });
      const volume = await visibleRow(core.db, request, 'volume', parameter(request, 'volume_id'));
      if (!request.may(action.policy, { project_id: volume.project_id }))
        throw volumeFailure('forbidden-action', { action: action.policy });
      const wanted: unknown = Reflect.get(request.body, name);
      const problem = action.check(wanted ?? {});
      if (problem !== undefined) throw volumeFailure('schema-invalid', { detail: problem });
      return await action.run(request, volume, wanted ?? {});
    },
  });
}

export type { ApiReply, Request, VolumeRow };
