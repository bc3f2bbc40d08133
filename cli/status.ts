/** How the cloud is: the devices' own words, and what follows for those who use it. */

import type { Networks } from '#cloud/network';
import type { Cluster } from '#cluster';
import { messageOf } from '#common';
import type { Replicator } from '#replicator';
import type { CloudStatus, CopiesLine, DeviceLine, Endpoints, Lack } from './cloud-types.ts';
import type { Membership } from './machines/membership.ts';
import type { RingProgress } from './machines/ring-change.ts';
import { version } from './version.ts';

export interface StatusParts {
  readonly membership: Pick<Membership, 'view' | 'devices' | 'nodeOf'>;
  ring(): RingProgress;
  readonly cluster: Cluster;
  readonly endpoints: Endpoints;
  readonly replicator: Replicator;
  readonly networks: Pick<Networks, 'status'>;
  lacks(): Promise<readonly Lack[]>;
}

const irreparableShown = 20;

/** Returns how to ask. */
export function watchStatus(parts: StatusParts): () => Promise<CloudStatus> {
  const startedMs = performance.now();
  return async () => {
    const devices = await Promise.all(
      parts.membership.view.devices.flatMap((device) =>
        device === undefined ? [] : [lineOf(parts, device.id, device.device, device.zone)],
      ),
    );
    const copies = copiesOf(parts);
    const problems = devices.flatMap(problemsOf);
    const hopeless = parts.replicator.status().irreparable.length;
    if (hopeless > 0) problems.push(`${hopeless} records have no good copy left`);
    for (const { device, state } of parts.cluster.health().devices) {
      if (state === 'aside')
        problems.push(`device ${nameOf(parts, device)} keeps failing and is not waited for`);
    }
    return {
      healthy: problems.length === 0,
      // One project's network says nothing about the health of the whole.
      problems: [...problems, ...networkProblems(parts.networks)],
      uptimeSeconds: Math.round((performance.now() - startedMs) / 100) / 10,
      pid: process.pid,
      version,
      devices,
      copies,
      ring: parts.ring(),
      lacks: await parts.lacks(),
      endpoints: parts.endpoints,
    };
  };
}

async function lineOf(
  parts: StatusParts,
  id: number,
  name: string,
  zone: number,
): Promise<DeviceLine> {
  try {
    const status = await parts.membership.devices.get(id)?.status();
    if (status === undefined) throw new Error('no way to this device');
    const { state, usedBytes, freeBytes, rows, blobs, quarantined } = status;
    const { done, partitions } = parts.replicator.status();
    const refilled = status.refilling === true ? { refilled: { done, partitions } } : {};
    return { name, zone, state, usedBytes, freeBytes, rows, blobs, quarantined, ...refilled };
  } catch (error) {
    return {
      name,
      zone,
      state: 'failed',
      usedBytes: 0,
      freeBytes: 0,
      rows: 0,
      blobs: 0,
      quarantined: 0,
      error: messageOf(error),
    };
  }
}

function nameOf({ membership }: StatusParts, device: number): string {
  return membership.view.devices[device]?.device ?? String(device);
}

function copiesOf(parts: StatusParts): CopiesLine {
  const now = parts.replicator.status();
  const { copiedRows, copiedBlobs, copiedBytes, handedBack, healed, scrubbedBytes } = now;
  return {
    comparedSecondsAgo: now.lagMs === undefined ? undefined : Math.round(now.lagMs / 1000),
    ...{ copiedRows, copiedBlobs, copiedBytes, handedBack, healed, scrubbedBytes },
    fragments: fragmentsOf(now),
    reclaim: reclaimOf(now),
    irreparable: now.irreparable
      .slice(0, irreparableShown)
      .map(({ what, name, device, reason }) => ({
        ...{ what, name, reason },
        device: nameOf(parts, device),
      })),
  };
}

function networkProblems(networks: Pick<Networks, 'status'>): string[] {
  const { setAside = [], lastError } = networks.status().drift ?? {};
  const problems: string[] = [];
  if (setAside.length > 0)
    problems.push(
      `${setAside.length} parts of networks are not as their owners said, since OVN refuses them: pileus network status`,
    );
  if (lastError !== undefined)
    problems.push(`networks are as they were before the last changes: ${lastError}`);
  return problems;
}

function fragmentsOf({ fragments }: ReturnType<Replicator['status']>): CopiesLine['fragments'] {
  const { lagMs, stripes, lacking, rebuilt } = fragments;
  const lookedSecondsAgo = lagMs === undefined ? undefined : Math.round(lagMs / 1000);
  return { lookedSecondsAgo, stripes, lacking, rebuilt };
}

function reclaimOf(now: ReturnType<Replicator['status']>): CopiesLine['reclaim'] {
  const { lagMs, suspects, due, mode, blocked } = now.reclaim;
  const { freedBlobs, freedBytes, forgottenRows } = now;
  return {
    searchedSecondsAgo: lagMs === undefined ? undefined : Math.round(lagMs / 1000),
    ...{ mode, suspects, due, freedBlobs, freedBytes, forgottenRows },
    ...(blocked === undefined ? {} : { blocked }),
  };
}

function problemsOf(device: DeviceLine): string[] {
  const problems: string[] = [];
  if (device.state !== 'ok')
    problems.push(
      `device ${device.name} is ${device.state}${device.error === undefined ? '' : `: ${device.error}`}`,
    );
  if (device.refilled !== undefined) {
    const { done, partitions } = device.refilled;
    const share = Math.floor((100 * done) / partitions);
    problems.push(`device ${device.name} was put in place empty and is being refilled: ${share} %`);
  }
  if (device.quarantined > 0)
    problems.push(
      `device ${device.name} holds ${device.quarantined} corrupt records that wait for repair`,
    );
  return problems;
}
