/** Every operation of Nova's API 2.1 (to 2.93), and what of it is there: from the route table, the actions, and what is absent. */
import type { Route } from '#cloud/api';
import type { ComputeCaller } from '../../compute-hooks/caller.ts';
import { absent } from '../../compute-hooks/resources/absent.ts';
import { serverActions } from '../../compute-hooks/resources/actions/index.ts';

/** Actions and parts of operations that are refused as not implemented. */
const refusedActions: Readonly<Record<string, string>> = {
  changePassword: '501: use a key pair',
};

const notes: Readonly<Record<string, string>> = {
  'os-resetState': 'active looks again: a status is computed; error sticks until then',
  rebuild: '501 for servers that boot from a volume',
  createImage: 'of a server that boots from a volume: of that volume',
};

/** What else upstream has. */
const refusals: readonly (readonly [operation: string, state: string, note: string])[] = [
  ['POST /servers with personality, trusted_image_certificates', 'refused', '501'],
  ['PUT /servers/:server_id/os-volume_attachments/:volume_id to another volume', 'refused', '501'],
  ['POST /os-keypairs of type x509', 'refused', '501'],
  [
    'POST /servers/:server_id/action addFloatingIp, addFixedIp and their like',
    'missing',
    'gone upstream since 2.44',
  ],
  [
    'POST /servers/:server_id/action os-getVNCConsole and its like',
    'missing',
    'gone upstream since 2.6',
  ],
  [
    '/os-networks, /os-floating-ips, /os-volumes and other proxies',
    'missing',
    'gone upstream since 2.36',
  ],
  ['/os-agents, /os-cells', 'missing', 'gone upstream since 2.83 and 2.54'],
];

export function computeRows(routes: readonly Route<ComputeCaller>[]): string[][] {
  const prefix = '/v2.1';
  const missing = new Map(absent.map(([what, path]) => [path, what]));
  const rows: string[][] = [];
  for (const { method, path, policy } of routes) {
    if (!path.startsWith(prefix)) continue;
    const short = path.slice(prefix.length) || '/';
    const operation = `${method} ${short}`;
    const what = missing.get(short);
    if (what !== undefined) rows.push([`\`${operation}\``, 'refused', `501: ${what}`]);
    else if (operation === 'POST /servers/:server_id/action') rows.push(...actionRows(operation));
    else rows.push([`\`${operation}\``, 'works', `\`${policy}\``]);
  }
  for (const [operation, state, note] of refusals) rows.push([`\`${operation}\``, state, note]);
  return rows.sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
}

function actionRows(operation: string): string[][] {
  return Object.keys(serverActions).map((name) => {
    const why = Object.hasOwn(refusedActions, name) ? refusedActions[name] : undefined;
    return [
      `\`${operation}\` ${name}`,
      why === undefined ? 'works' : 'refused',
      why ?? notes[name] ?? '',
    ];
  });
}
