/** `pileus status`: is it well, and if not, what is wrong. */
import { Command } from 'commander';
import type { CloudStatus, CopiesLine } from '../cloud-types.ts';
import { call } from '../control/client.ts';
import { renderBytes } from '../progress.ts';
import { renderLacks } from '../welcome.ts';
import { type DataOptions, dataOption, folderOf, jsonOption, print } from './options.ts';
import { renderRingProgress } from './ring-text.ts';

export function statusCommand(): Command {
  return new Command('status')
    .description('say how the cloud is; exits 1 when it is not healthy')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (options: DataOptions & { json?: boolean }) => {
      const status = (await call(folderOf(options), 'status')) as CloudStatus;
      print(options.json === true ? status : renderStatus(status));
      if (!status.healthy) process.exitCode = 1;
    });
}

export function renderStatus(status: CloudStatus): string {
  const lines = [
    `${status.healthy ? 'healthy' : 'NOT HEALTHY'}, up for ${Math.round(status.uptimeSeconds)} s, pid ${status.pid}`,
  ];
  for (const problem of status.problems) lines.push(`  ! ${problem}`);
  lines.push('', 'device  zone  state      used        free        rows      blobs  quarantined');
  for (const device of status.devices) {
    const cells = [
      device.name.padEnd(7),
      String(device.zone).padEnd(5),
      device.state.padEnd(10),
      renderBytes(device.usedBytes).padEnd(11),
      renderBytes(device.freeBytes).padEnd(11),
      String(device.rows).padEnd(9),
      String(device.blobs).padEnd(6),
      String(device.quarantined),
    ];
    lines.push(cells.join(' '));
  }
  lines.push('', renderCopies(status.copies));
  const { state } = status.ring;
  if (!['none', 'done', 'undone'].includes(state)) lines.push(renderRingProgress(status.ring));
  lines.push('');
  if (status.lacks.length > 0) lines.push(...renderLacks(status.lacks), '');
  for (const [name, url] of Object.entries(status.endpoints))
    lines.push(`${name.padEnd(14)} ${url}`);
  return lines.join('\n');
}

function renderCopies(copies: CopiesLine): string {
  const { comparedSecondsAgo: ago, copiedRows, copiedBlobs, copiedBytes, healed } = copies;
  const compared = ago === undefined ? 'not yet compared' : `compared ${ago} s ago`;
  const lines = [
    `copies  ${compared}; since the start ${copiedRows} rows and ${copiedBlobs} blobs copied (${renderBytes(copiedBytes)}), ${healed} bad ones replaced, ${copies.handedBack} handed back`,
  ];
  const { stripes, lacking, rebuilt } = copies.fragments;
  if (stripes > 0)
    lines.push(
      `fragments of ${stripes} blobs: ${lacking} not where they belong, ${rebuilt} made anew since the start`,
    );
  lines.push(renderReclaim(copies.reclaim));
  for (const { what, name, device, reason } of copies.irreparable)
    lines.push(`  ! ${what} ${name} on ${device}: ${reason}`);
  return lines.join('\n');
}

function renderReclaim(reclaim: CopiesLine['reclaim']): string {
  const { searchedSecondsAgo: ago, suspects, freedBlobs, freedBytes, forgottenRows } = reclaim;
  if (reclaim.mode === 'off') return 'orphans not searched for: replicator.reclaim is off';
  const searched = ago === undefined ? 'not yet searched' : `searched ${ago} s ago`;
  const due = reclaim.due === 0 ? '' : `, ${reclaim.due} of them due`;
  const only = reclaim.mode === 'report' ? ' (report only)' : '';
  const blocked = reclaim.blocked === undefined ? '' : `; held up: ${reclaim.blocked}`;
  return `orphans ${searched}${only}, ${suspects} blobs under suspicion${due}; since the start ${freedBlobs} deleted (${renderBytes(freedBytes)}), ${forgottenRows} tombstones forgotten${blocked}`;
}
