/** MurmurHash3's 32-bit body and finalizer, a unit at a time: for digests and checksums over text and numbers in JavaScript. */

export const murmur1 = 0xcc9e2d51;
export const murmur2 = 0x1b873593;

export function mix(hash: number, unit: number, c1: number, c2: number): number {
  let piece = Math.imul(unit, c1);
  piece = (piece << 15) | (piece >>> 17);
  const mixed = hash ^ Math.imul(piece, c2);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

/** The finalizer; `length` in units. */
export function finishMix(mixed: number, length: number): number {
  let hash = mixed ^ length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Takes in the UTF-16 units of a text. */
export function mixText(hash: number, text: string): number {
  let mixed = hash;
  for (let at = 0; at < text.length; at++)
    mixed = mix(mixed, text.charCodeAt(at), murmur1, murmur2);
  return mixed;
}
