/** One message to each device says, for up to 4,096 ring partitions, whether its copies are those of the others. */
import { digestBytes, digestsMax } from '#wire';
import type { Layout } from '../layout.ts';
import type { Peer } from '../peer.ts';

/** One device's digests of a range of partitions; undefined when it did not answer. */
export type DigestsByDevice = ReadonlyMap<number, Buffer>;

export interface Chunk {
  readonly first: number;
  readonly count: number;
}

export function chunkAt(layout: Layout, first: number): Chunk {
  return { first, count: Math.min(digestsMax, layout.partitionCount - first) };
}

export interface Asked {
  readonly digests: DigestsByDevice;
  readonly failures: ReadonlyMap<number, unknown>;
}

export async function askDigests(layout: Layout, chunk: Chunk): Promise<Asked> {
  const digests = new Map<number, Buffer>();
  const failures = new Map<number, unknown>();
  const ask = async (peer: Peer) => {
    try {
      const reply = await peer.survey({ what: 'digests', power: layout.power, ...chunk });
      digests.set(peer.device, reply.digests);
    } catch (error) {
      failures.set(peer.device, error);
    }
  };
  await Promise.all(layout.peers.map(ask));
  return { digests, failures };
}

export interface Difference {
  readonly partition: number;
  readonly rows: boolean;
  readonly blobs: boolean;
  /** Devices that hold something of it without being a primary. */
  readonly strangers: readonly number[];
}

const step = 2 * digestBytes;
const none = Buffer.alloc(step);

export function differencesIn(
  layout: Layout,
  chunk: Chunk,
  digests: DigestsByDevice,
): Difference[] {
  const found: Difference[] = [];
  for (let at = 0; at < chunk.count; at++) {
    const partition = chunk.first + at;
    const primaries = layout.primariesOf(partition);
    const pieceOf = (device: number) => digests.get(device)?.subarray(at * step, (at + 1) * step);
    const pieces = primaries.flatMap((device) => pieceOf(device) ?? []);
    const strangers = layout.peers
      .map(({ device }) => device)
      .filter((device) => !primaries.includes(device) && !(pieceOf(device) ?? none).equals(none));
    const rows = !agree(pieces, 0);
    const blobs = !agree(pieces, digestBytes);
    if (rows || blobs || strangers.length > 0) found.push({ partition, rows, blobs, strangers });
  }
  return found;
}

function agree(pieces: readonly Buffer[], skip: number): boolean {
  const [first, ...others] = pieces.map((piece) => piece.subarray(skip, skip + digestBytes));
  return first === undefined || others.every((other) => other.equals(first));
}
