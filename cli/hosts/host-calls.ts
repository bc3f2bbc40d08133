/** The control calls behind `pileus host …`. */
import * as os from 'node:os';
import { Type } from 'typebox';
import type { Networks } from '#cloud/network';
import { Failure, type Random, systemClock } from '#common';
import { issueCertificate } from '#wire';
import type { HostAdded, HostLine } from '../cloud-types.ts';
import { parseArguments } from '../control/arguments.ts';
import type { ControlHandler } from '../control/protocol.ts';
import type { DataFolder } from '../data-folder.ts';
import { hostNames } from '../roles/compute.ts';
import { authorityOf } from '../roles/nbd-certificates.ts';
import type { HostsDoor } from './door.ts';
import {
  fingerprintOf,
  freeTunnel,
  registeredHosts,
  tunnelAddress,
  uplinkOf,
  writeHosts,
} from './registry.ts';

const Name = Type.Object({ name: Type.String({ pattern: '^[a-z0-9-]{1,63}$' }) });

export interface HostCallsParts {
  readonly folder: DataFolder;
  readonly clusterId: string;
  readonly random: Random;
  readonly networks: Networks;
  readonly door: HostsDoor;
  /** Where hosts come in, as they reach it. */
  readonly address: { readonly host: string; readonly port: number };
  readonly gatewaySocket: string;
  readonly tunnelRange: string;
  /** How many hosts this machine plays. */
  readonly played: number;
}

export function hostCalls(parts: HostCallsParts): Readonly<Record<string, ControlHandler>> {
  const { folder, door } = parts;
  return {
    'host-add': async (args) => add(parts, parseArguments(Name, args).name),
    'host-list': async (): Promise<HostLine[]> =>
      registeredHosts(folder).map(({ name, tunnel }) => {
        const since = door.sinceUs(name);
        return {
          ...{ name, tunnel, joined: since !== undefined },
          since: since === undefined ? null : new Date(since / 1_000).toISOString(),
        };
      }),
    'host-remove': async (args) => {
      const { name } = parseArguments(Name, args);
      const hosts = registeredHosts(folder);
      if (!hosts.some((host) => host.name === name))
        throw new Failure('missing', 'no-such-host', `There is no compute host ${name}`);
      writeHosts(
        folder,
        hosts.filter((host) => host.name !== name),
      );
      door.dismiss(name);
      return {};
    },
  };
}

async function add(parts: HostCallsParts, name: string): Promise<HostAdded> {
  const { folder, clusterId, random, networks, tunnelRange, played } = parts;
  if (played > 1)
    throw new Failure(
      'conflict',
      'hosts-played',
      'This machine plays several hosts itself (compute.hosts): set it to 1 and start again to add others',
    );
  if (hostNames(1).includes(name))
    throw new Failure('conflict', 'host-exists', `${name} is this machine (${os.hostname()})`);
  const others = registeredHosts(folder).filter((host) => host.name !== name);
  const known = registeredHosts(folder).find((host) => host.name === name);
  const tunnel = known?.tunnel ?? freeTunnel(tunnelRange, others);
  const authority = await authorityOf(folder, random, clusterId);
  const issued = await issueCertificate({
    ...{ authority, random, clock: systemClock },
    name: `compute ${name}`,
  });
  const tag = clusterId.replaceAll('-', '').slice(0, 6);
  await networks.hosts.expectOthers(uplinkOf(tunnelAddress(tunnelRange, 1), tag));
  writeHosts(folder, [...others, { name, tunnel, fingerprint: fingerprintOf(issued.certificate) }]);
  parts.door.dismiss(name);
  return {
    config: {
      ...{ clusterId, name },
      controller: parts.address,
      gateway: parts.gatewaySocket,
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
