/** `pileus network …`: how networks are connected, and whether OVN is as it should be. */
import { Command } from 'commander';
import type { NetworkStatus } from '../cloud-types.ts';
import { call } from '../control/client.ts';
import {
  type DataOptions,
  dataOption,
  folderOf,
  groupCommand,
  jsonOption,
  print,
} from './options.ts';

export function networkCommand(): Command {
  const status = new Command('status')
    .description('say whether Open vSwitch and OVN run, and what of them was mended')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (options: DataOptions & { json?: boolean }) => {
      const found = (await call(folderOf(options), 'network-status')) as NetworkStatus;
      print(options.json === true ? found : renderNetworks(found));
      if (found.state === 'missing') process.exitCode = 1;
    });
  return groupCommand('network', 'how networks are connected', [status]);
}

const words: Readonly<Record<NetworkStatus['state'], string>> = {
  ready: 'connected',
  starting: 'being connected',
  off: 'not connected, since nothing needs it yet: the first port or router starts Open vSwitch and OVN',
  missing: 'NOT CONNECTED',
};

export function renderNetworks(status: NetworkStatus): string {
  const lines = [`networks are ${words[status.state]}`];
  if (status.reason !== undefined) lines.push(`  why: ${status.reason}`);
  if (status.advice !== undefined) lines.push(`  do:  ${status.advice}`);
  const { drift } = status;
  if (drift === undefined) return lines.join('\n');
  lines.push(`OVN is ${drift.in_sync ? 'as it should be' : 'being brought up to date'}`);
  lines.push(
    `rows mended after others changed them: ${drift.mended}${drift.last_mended_at === null ? '' : ` (last ${drift.last_mended_at})`}`,
  );
  lines.push(`daemons started again after they ended: ${drift.restarts}`);
  for (const { type, id, reason } of drift.set_aside)
    lines.push(`  ! refused by OVN, everything else is done: ${type} ${id}: ${reason}`);
  if (drift.last_error !== null) lines.push(`last error: ${drift.last_error}`);
  return lines.join('\n');
}
