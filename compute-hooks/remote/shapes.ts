/** What the calls of a host's hypervisor carry, as JSON: bytes are base64, what is absent is left out. */
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import { Failure } from '#common';
import type { GuestSpec } from '../drivers/driver.ts';

const Count = Type.Number({ minimum: 0 });
const Id = Type.String({ minLength: 1, maxLength: 64 });
const Text = Type.String({ maxLength: 4_096 });

export const DiskShape = Type.Object({
  id: Id,
  device: Id,
  bootIndex: Type.Optional(Type.Integer()),
  socketPath: Text,
  exportName: Text,
  readOnly: Type.Boolean(),
  serial: Text,
});

export const PortShape = Type.Object({
  id: Id,
  macAddress: Text,
  mtu: Count,
  tap: Text,
  vnetHeader: Type.Boolean(),
  enter: Type.Array(Text, { maxItems: 16 }),
});

export const PlacesShape = Type.Record(Type.String(), Type.String());

export const SpecShape = Type.Object({
  id: Id,
  name: Text,
  vcpus: Count,
  memoryMib: Count,
  disks: Type.Array(DiskShape, { maxItems: 64 }),
  ports: Type.Array(PortShape, { maxItems: 64 }),
  configDrive: Type.Optional(Type.String()),
  places: Type.Optional(PlacesShape),
});

export const PowerShape = Type.Union([
  Type.Literal('running'),
  Type.Literal('paused'),
  Type.Literal('off'),
]);

export const StateShape = Type.Object({ id: Id, power: PowerShape });

export const FactsShape = Type.Object({
  type: Text,
  version: Count,
  vcpus: Count,
  memoryMib: Count,
  cpu: Type.Object({ arch: Text, vendor: Text, model: Text, accelerator: Text }),
  problem: Type.Optional(Text),
});

export const ProgressShape = Type.Object({
  totalBytes: Count,
  doneBytes: Count,
  leftBytes: Count,
});

export const DiagnosticsShape = Type.Object({
  state: PowerShape,
  uptimeS: Count,
  cpuTimesNs: Type.Array(Count, { maxItems: 4_096 }),
  memoryMaxMib: Count,
  memoryUsedMib: Count,
  disks: Type.Array(
    Type.Object({
      readBytes: Count,
      readRequests: Count,
      writeBytes: Count,
      writeRequests: Count,
      errors: Count,
    }),
    { maxItems: 64 },
  ),
});

export const One = Type.Object({ id: Id });

/** What came from another process, or `invalid` when it is not of this shape. */
export function read<T extends TSchema>(shape: T, value: unknown): Static<T> {
  if (Value.Check(shape, value)) return value as Static<T>;
  const first = Value.Errors(shape, value)[0];
  throw new Failure(
    'invalid',
    'bad-call',
    `A call between hosts is malformed: ${first?.instancePath ?? ''} ${first?.message ?? ''}`,
  );
}

export const specLine = (spec: GuestSpec) => ({
  ...spec,
  configDrive: spec.configDrive?.toString('base64'),
});

export function specOf(value: unknown): GuestSpec {
  const { configDrive, places, disks, ...rest } = read(SpecShape, value);
  return {
    ...rest,
    disks: disks.map(diskFrom),
    configDrive: configDrive === undefined ? undefined : Buffer.from(configDrive, 'base64'),
    ...(places === undefined ? {} : { places }),
  };
}

export const diskFrom = (disk: Static<typeof DiskShape>) => ({
  ...disk,
  bootIndex: disk.bootIndex,
});
