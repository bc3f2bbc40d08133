/**
 * Object bodies that need no memory of what was written: the body is a function of the object's name. Each is a
 * slice of one pool of pseudo-random bytes, at an offset hashed from the name, so no bytes are copied to send one
 * and any body read back can be checked by anybody.
 */
const SPREAD_BYTES = 256 * 1024;

let pool: Buffer = Buffer.alloc(0);

/** The body of the object `name` at its size. */
export function bodyOf(name: string, sizeBytes: number): Buffer {
  if (pool.length < SPREAD_BYTES + sizeBytes) pool = makePool(SPREAD_BYTES + sizeBytes);
  const at = hashName(name) % SPREAD_BYTES;
  return pool.subarray(at, at + sizeBytes);
}

/** xorshift32 from a fixed seed: every thread and every run makes the same pool, and a longer one begins alike. */
function makePool(bytes: number): Buffer {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  let state = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return Buffer.from(words.buffer);
}

/** FNV-1a. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** A small repeatable generator for choices; a number in [0, 1). */
export function repeatable(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
