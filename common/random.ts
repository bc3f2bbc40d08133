/** Randomness as a component: the system's generator for keys and ids, a seeded one for replayable tests. */
import { randomBytes } from 'node:crypto';

export interface Random {
  bytes(count: number): Buffer;
  /** A whole number in [0, below); `below` at most 2^32. */
  below(below: number): number;
  /** A fraction in [0, 1). */
  unit(): number;
}

/** `bytes` random bytes as lower-case hexadecimal. */
export function randomHex(random: Random, bytes: number): string {
  return random.bytes(bytes).toString('hex');
}

/** A random version-4 UUID (RFC 9562 §5.4). */
export function randomUuid(random: Random): string {
  const raw = random.bytes(16);
  raw.writeUInt8((raw.readUInt8(6) & 0x0f) | 0x40, 6);
  raw.writeUInt8((raw.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = raw.toString('hex');
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ];
  return parts.join('-');
}

const poolBytes = 8192;
let pool = Buffer.alloc(0);
let poolUsed = 0;

// One call to the kernel per few hundred ids: a 16-byte randomBytes costs more than the rest of an id.
function fromPool(count: number): Buffer {
  if (count > poolBytes / 4) return randomBytes(count);
  if (poolUsed + count > pool.length) {
    pool = randomBytes(poolBytes);
    poolUsed = 0;
  }
  const taken = Buffer.from(pool.subarray(poolUsed, poolUsed + count));
  poolUsed += count;
  return taken;
}

export const systemRandom: Random = {
  bytes: fromPool,
  below: (below) => Math.floor((fromPool(6).readUIntBE(0, 6) / 2 ** 48) * below),
  unit: () => fromPool(6).readUIntBE(0, 6) / 2 ** 48,
};

/** A small fast generator (Tommy Ettinger's mulberry32); the same seed gives the same sequence everywhere. Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    bytes: (count) => Buffer.from(Uint8Array.from({ length: count }, () => next() & 0xff)),
    below: (below) => Math.floor((next() / 2 ** 32) * below),
    unit: () => next() / 2 ** 32,
  };
}
