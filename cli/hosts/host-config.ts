/** The settings file of a compute host: `pileus host add` writes it, `pileus run compute --config FILE` reads it. */
import * as fs from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { parse as parseYaml } from 'yaml';
import { Failure, messageOf, parseSettings } from '#common';
import { type Settings, settingsRooms } from '../settings.ts';

const HostConfig = Type.Object(
  {
    clusterId: Type.String({ minLength: 8, maxLength: 64 }),
    name: Type.String({ pattern: '^[a-z0-9-]{1,63}$' }),
    /** Where the controller lets hosts in. */
    controller: Type.Object({
      host: Type.String(),
      port: Type.Integer({ minimum: 1, maximum: 65_535 }),
    }),
    /** The gateway's own socket, where both are on one machine: guests' disks then do without TLS. */
    gateway: Type.Optional(Type.String()),
    /** Relative paths start at the file's own folder. */
    data: Type.String(),
    /** Holds `authority.pem`, `host.pem` and `host.key`. */
    secrets: Type.String(),
    /** Its address among the hosts, with the prefix length, and the bridge that leads to them. */
    tunnel: Type.Object({
      address: Type.String({ pattern: '^[0-9.]+/[0-9]+$' }),
      bridge: Type.String({ pattern: '^[a-z0-9-]{1,15}$' }),
    }),
    settings: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false },
);

export interface HostConfig extends Omit<Static<typeof HostConfig>, 'settings'> {
  readonly settings: Settings;
}

export function readHostConfig(path: string): HostConfig {
  let document: unknown;
  try {
    document = parseYaml(fs.readFileSync(path, 'utf8'), { maxAliasCount: 0 });
  } catch (error) {
    throw new Failure('invalid', 'bad-settings', `${path} cannot be read: ${messageOf(error)}`);
  }
  if (!Value.Check(HostConfig, document)) {
    const first = Value.Errors(HostConfig, document)[0];
    throw new Failure(
      'invalid',
      'bad-settings',
      `${path}: ${first?.instancePath || 'the document'} ${first?.message ?? 'is wrong'}`,
    );
  }
  const at = (relative: string) => resolve(dirname(path), relative);
  return {
    ...document,
    data: at(document.data),
    secrets: at(document.secrets),
    settings: parseSettings(settingsRooms, document.settings ?? {}),
  };
}
