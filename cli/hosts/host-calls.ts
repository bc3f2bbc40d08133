/** The control calls behind `pileus host …`. */
import * as os from 'node:os';
import { Type } from 'typebox';
import type { Networks } from '#cloud/network';
import { Failure, type Random, systemClock } from '#common';
import type { Members } from '#compute-hooks';
import { issueCertificate } from '#wire';
import type { HostAdded, HostLine } from '../cloud-types.ts';
import { parseArguments } from '../control/arguments.ts';
import type { ControlHandler } from '../control/protocol.ts';
import type { DataFolder } from '../data-folder.ts';
import { hostNames } from '../roles/compute.ts';
import type { Gateway } from '../roles/gateway.ts';
import { authorityOf } from '../roles/nbd-certificates.ts';
import type { HostsDoor } from './door.ts';
import { fingerprintOf, freeTunnel, tunnelAddress, uplinkOf } from './registry.ts';

const Name = Type.Object({ name: Type.String({ pattern: '^[a-z0-9-]{1,63}$' }) });

export interface HostCallsParts {
  readonly folder: DataFolder;
  readonly members: Members;
  readonly clusterId: string;
  readonly random: Random;
  readonly networks: Networks;
  readonly door: HostsDoor;
  /** Where hosts come in, as they reach it. */
  readonly address: { readonly host: string; readonly port: number };
  readonly gateway: Pick<Gateway, 'socketOf' | 'admit'>;
  readonly tunnelRange: string;
  /** How many hosts this machine plays. */
  readonly played: number;
}

export function hostCalls(parts: HostCallsParts): Readonly<Record<string, ControlHandler>> {
  const { members, door } = parts;
  return {
    'host-add': async (args) => add(parts, parseArguments(Name, args).name),
    'host-list': async (): Promise<HostLine[]> =>
      (await members.list()).map(({ name, tunnel }) => {
        const since = door.sinceUs(name);
        return {
          ...{ name, tunnel, joined: since !== undefined },
          since: since === undefined ? null : new Date(since / 1_000).toISOString(),
        };
      }),
    'host-remove': async (args) => {
      const { name } = parseArguments(Name, args);
      if (!(await members.remove(name)))
        throw new Failure('missing', 'no-such-host', `There is no compute host ${name}`);
      door.dismiss(name);
      return {};
    },
  };
}

async function add(parts: HostCallsParts, name: string): Promise<HostAdded> {
  const { folder, members, gateway, clusterId, random, networks, tunnelRange, played } = parts;
  if (played > 1)
    throw new Failure(
      'conflict',
      'hosts-played',
      'This machine plays several hosts itself (compute.hosts): set it to 1 and start again to add others',
    );
  if (hostNames(1).includes(name))
    throw new Failure('conflict', 'host-exists', `${name} is this machine (${os.hostname()})`);
  const authority = await authorityOf(folder, random, clusterId);
  const issued = await issueCertificate({
    ...{ authority, random, clock: systemClock },
    name: `compute ${name}`,
  });
  const tag = clusterId.replaceAll('-', '').slice(0, 6);
  await networks.hosts.expectOthers(uplinkOf(tunnelAddress(tunnelRange, 1), tag));
  const { tunnel } = await members.put(systemClock.nowUs(), (known) => ({
    name,
    tunnel: known.find((host) => host.name === name)?.tunnel ?? freeTunnel(tunnelRange, known),
    fingerprint: fingerprintOf(issued.certificate),
  }));
  await gateway.admit(name);
  parts.door.dismiss(name);
  return {
    config: {
      ...{ clusterId, name },
      controller: parts.address,
      gateway: gateway.socketOf(name),
      data: './data',
      secrets: './secrets',
      tunnel: { address: tunnel, bridge: `pb-${tag}` },
      settings: {},
    },
    secrets: {
      'authority.pem': authority.certificate,
      'host.pem': issued.certificate,
      'host.key': issued.key,
    },
  };
}
