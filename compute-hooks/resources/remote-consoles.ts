/** `POST /servers/{id}/remote-consoles`: an address under which a server's screen or serial line can be opened once. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { type ComputeCaller, compute, parameter } from '../caller.ts';
import { consoleKinds, shownBy } from '../consoles/kinds.ts';
import { createConsoleToken, findConsole } from '../consoles/tokens.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure, notFound } from '../failures.ts';
import * as fields from '../fields.ts';
import { findServer, serverTarget, theServer } from '../rows.ts';
import { vmState } from '../status.ts';
import type { ServerRow } from '../tables.ts';
import type { Action } from './actions/action.ts';
import { checked } from './actions/action.ts';

const protocols = ['vnc', 'spice', 'rdp', 'serial', 'mks'];

/** States in which a guest has power, be it standing still. */
const running = ['active', 'paused', 'rescued', 'resized'];

export async function consoleUrl(
  core: ComputeCore,
  server: ServerRow,
  type: string,
  protocol?: string,
): Promise<string> {
  const what = shownBy(type, protocol);
  if (server.host === null || !running.includes(vmState(server)) || server.power === 'stopped')
    throw computeFailure('refused-conflict', { why: `Instance ${server.id} is not ready` });
  const token = await createConsoleToken(core, server.id, type);
  if (what === 'serial') return `${core.consoleUrl.replace(/^http/, 'ws')}/serial?token=${token}`;
  return `${core.consoleUrl}/vnc_auto.html?path=${encodeURIComponent(`?token=${token}`)}`;
}

export function remoteConsoleRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  return [
    compute({
      method: 'POST',
      path: '/servers/:server_id/remote-consoles',
      policy: 'os_compute_api:os-remote-consoles',
      versions: { from: '2.6' },
      target: serverTarget(core),
      body: fields.object({
        remote_console: fields.object({
          protocol: Type.Enum(protocols),
          type: Type.Enum(Object.keys(consoleKinds)),
        }),
      }),
      handle: async (request) => {
        const { protocol, type } = request.body.remote_console;
        if (protocol === 'mks' && request.minor < 8)
          throw computeFailure('schema-invalid', {
            detail: `Invalid input for field/attribute protocol. Value: ${protocol}.`,
          });
        const url = await consoleUrl(core, await theServer(core, request), type, protocol);
        return { body: { remote_console: { protocol, type, url } } };
      },
    }),
    compute({
      method: 'GET',
      path: '/os-console-auth-tokens/:token',
      policy: 'os_compute_api:os-console-auth-tokens',
      handle: async (request) => {
        const token = parameter(request, 'token');
        const row = await findConsole(core, token);
        const server = row && (await findServer(core.db, row.server_id));
        if (row === undefined || server === undefined) throw notFound('Token', token.slice(0, 64));
        const { hostname, port, protocol } = new URL(core.consoleUrl);
        const usual = protocol === 'https:' ? '443' : '80';
        return {
          body: {
            console: {
              instance_uuid: server.id,
              host: hostname,
              port: Number(port || usual),
              internal_access_path: null,
              ...(request.minor >= 99 ? { tls_port: null } : {}),
            },
          },
        };
      },
    }),
  ];
}

const older = (what: string): Action => ({
  policy: 'os_compute_api:os-remote-consoles',
  until: 5,
  whileLocked: true,
  check: checked(fields.object({ type: Type.String({ minLength: 1, maxLength: 64 }) })),
  run: async (core, _request, row, { type }: { type: string }) => ({
    body: { console: { type, url: await consoleUrl(core, row, type, what) } },
  }),
});

/** How it was asked for before 2.6. */
export const olderConsoleActions: Readonly<Record<string, Action>> = {
  'os-getVNCConsole': older('vnc'),
  'os-getSPICEConsole': older('spice'),
  'os-getRDPConsole': older('rdp'),
  'os-getSerialConsole': older('serial'),
};
