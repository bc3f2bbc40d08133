/** What the calls of a host's network carry. */
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { Failure } from '#common';

const Id = Type.String({ minLength: 1, maxLength: 255 });
const Text = Type.String({ maxLength: 4_096 });

/** Of a model's documents what a metadata address is made from. */
const Place = Type.Object({
  network: Type.Object({ id: Id, mtu: Type.Number() }),
  port: Type.Object({
    id: Id,
    mac_address: Text,
    device_id: Text,
    fixed_ips: Type.Array(Type.Object({ subnet_id: Id, ip_address: Text })),
  }),
  subnets: Type.Array(Type.Object({ id: Id, cidr: Text })),
});

export const Arranged = Type.Object({
  overlays: Type.Array(
    Type.Object({
      type: Type.Union([Type.Literal('gre'), Type.Literal('vxlan')]),
      id: Type.Integer(),
    }),
  ),
  peers: Type.Array(Text),
  places: Type.Array(Place),
});

export const Pluggable = Type.Object({
  id: Id,
  macAddress: Text,
  mtu: Type.Number(),
  deviceId: Text,
  owner: Type.Optional(
    Type.Object({ uid: Type.Optional(Type.Integer()), gid: Type.Optional(Type.Integer()) }),
  ),
});

export const PluggedShape = Type.Object({
  tap: Text,
  vnetHeader: Type.Boolean(),
  mtu: Type.Number(),
  enter: Type.Array(Text),
});

export const PluggedPorts = Type.Array(Type.Object({ portId: Id, tap: Text, deviceId: Text }));

export const Named = Type.Object({ portId: Id });

export const Started = Type.Array(Text);

/** Which guest asks: by the network that its question came from, and the address that port security keeps true. */
export interface MetadataQuestion {
  readonly networkId: string;
  readonly address: string;
}

/** The same as the controller hears it: from which host. */
export interface MetadataQuestionOf extends MetadataQuestion {
  readonly host: string;
}

export function readCall<T extends TSchema>(shape: T, value: unknown): Static<T> {
  if (Value.Check(shape, value)) return value as Static<T>;
  const first = Value.Errors(shape, value)[0];
  throw new Failure(
    'invalid',
    'bad-call',
    `A call between hosts is malformed: ${first?.instancePath ?? ''} ${first?.message ?? ''}`,
  );
}
