/**
 * Who is in the cluster and which ring is in force: what the controller says, and everybody goes by. Each change has an epoch of its own. Kept as
 * `ring/map.json` by the controller and by each node; `docs/formats/cluster-map.md` has the fields.
 */
import * as fs from 'node:fs';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { Failure } from '#common';
import { decodeRingFile, encodeRingFile, JointRing, type Ring, type RingView } from '#ring';
import { type DataFolder, writePrivate } from '../data-folder.ts';

const Name = Type.String({ pattern: '^[a-z0-9-]{1,63}$' });

const Node = Type.Object({
  /** As in its certificate. */
  name: Name,
  host: Type.String({ minLength: 1, maxLength: 255 }),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
  /** Its unix socket, where it may run on the controller's machine. */
  socket: Type.Optional(Type.String()),
  devices: Type.Array(Type.Integer({ minimum: 0, maximum: 65_534 })),
  /** SHA-256 of the one certificate that counts; any of the cluster's authority when left out. */
  fingerprint: Type.Optional(Type.String()),
});
export type ClusterNode = Static<typeof Node>;

const MapFile = Type.Object({
  version: Type.Literal(1),
  clusterId: Type.String({ minLength: 8, maxLength: 64 }),
  epoch: Type.Integer({ minimum: 1 }),
  ring: Type.String(),
  next: Type.Optional(Type.String()),
  nodes: Type.Array(Node),
});
export type MapFile = Static<typeof MapFile>;

export interface ClusterMap {
  readonly clusterId: string;
  readonly epoch: number;
  readonly ring: Ring;
  /** While replicas move: the ring after that. */
  readonly next?: Ring;
  /** Storage processes other than the controller's own. */
  readonly nodes: readonly ClusterNode[];
}

/** What reads and writes go by. */
export function viewOf({ ring, next }: ClusterMap): RingView {
  return next === undefined ? ring : new JointRing(ring, next);
}

export function encodeMap(map: ClusterMap): MapFile {
  const { clusterId, epoch, nodes } = map;
  return {
    version: 1,
    ...{ clusterId, epoch, nodes: [...nodes] },
    ring: encodeRingFile(map.ring).toString('base64'),
    ...(map.next === undefined ? {} : { next: encodeRingFile(map.next).toString('base64') }),
  };
}

export function decodeMap(document: unknown, where: string): ClusterMap {
  if (!Value.Check(MapFile, document))
    throw new Failure('corrupt', 'map-damaged', 'The map of the cluster cannot be read', {
      facts: { where },
    });
  const { clusterId, epoch, nodes, next } = document;
  const ringIn = (text: string) => decodeRingFile(Buffer.from(text, 'base64'));
  return {
    ...{ clusterId, epoch, nodes, ring: ringIn(document.ring) },
    ...(next === undefined ? {} : { next: ringIn(next) }),
  };
}

const pathIn = (folder: DataFolder) => folder.path('ring', 'map.json');

export function loadMap(folder: DataFolder): ClusterMap | undefined {
  const path = pathIn(folder);
  if (!fs.existsSync(path)) return undefined;
  return decodeMap(JSON.parse(fs.readFileSync(path, 'utf8')), path);
}

export function saveMap(folder: DataFolder, map: ClusterMap): void {
  fs.mkdirSync(folder.path('ring'), { recursive: true });
  writePrivate(pathIn(folder), `${JSON.stringify(encodeMap(map), null, 2)}\n`);
  // For those who look at rings with Swift's tools.
  writePrivate(folder.path('ring', 'storage.ring.gz'), encodeRingFile(map.next ?? map.ring));
}
