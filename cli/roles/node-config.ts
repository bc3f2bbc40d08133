/** The settings file of one process of a cluster whose roles run apart: `pileus run ROLE… --config FILE`. */
import * as fs from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { parse as parseYaml } from 'yaml';
import { Failure, messageOf } from '#common';
import { type Settings, settingsOf } from '../settings.ts';

const Port = Type.Integer({ minimum: 1, maximum: 65_535 });

const NodeConfig = Type.Object(
  {
    clusterId: Type.String({ minLength: 8, maxLength: 64 }),
    /** This process's name, as in its certificate. */
    name: Type.String({ pattern: '^[a-z0-9-]{1,63}$' }),
    /** Data folder of this process. Relative paths start at the file's own folder. */
    data: Type.String(),
    /** The ring file, and the folder with `salt`, `authority.pem`, `NAME.pem` and `NAME.key`. */
    ring: Type.Optional(Type.String()),
    secrets: Type.String(),
    host: Type.String(),
    /** A storage process: the port of the node protocol. Others: the port base. */
    port: Port,
    /** Ring ids of the devices that this process keeps. */
    devices: Type.Array(Type.Integer({ minimum: 0, maximum: 65_534 })),
    /** Where the controller lets nodes in; it tells of the ring and of other nodes. */
    controller: Type.Optional(Type.Object({ host: Type.String(), port: Port })),
    /** The storage processes of the cluster, as long as nobody has told. */
    nodes: Type.Optional(
      Type.Array(
        Type.Object({
          name: Type.String(),
          host: Type.String(),
          port: Port,
          /** The node's unix socket, where it may run on this machine. */
          socket: Type.Optional(Type.String()),
          devices: Type.Array(Type.Integer()),
        }),
      ),
    ),
    settings: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false },
);

type Written = Static<typeof NodeConfig>;

export interface NodeConfig extends Omit<Written, 'settings' | 'nodes'> {
  readonly nodes: NonNullable<Written['nodes']>;
  readonly settings: Settings;
}

export function readNodeConfig(path: string): NodeConfig {
  let document: unknown;
  try {
    document = parseYaml(fs.readFileSync(path, 'utf8'), { maxAliasCount: 0 });
  } catch (error) {
    throw new Failure('invalid', 'bad-settings', `${path} cannot be read: ${messageOf(error)}`);
  }
  if (!Value.Check(NodeConfig, document)) {
    const first = Value.Errors(NodeConfig, document)[0];
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
    ...(document.ring === undefined ? {} : { ring: at(document.ring) }),
    secrets: at(document.secrets),
    nodes: (document.nodes ?? []).map((node) =>
      node.socket === undefined ? node : { ...node, socket: at(node.socket) },
    ),
    settings: settingsOf(document.settings),
  };
}
