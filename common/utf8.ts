/** Ordering of names as their UTF-8 bytes order, which is what the index, Swift and S3 all use. */

/**
 * Compares two well-formed strings by UTF-8 byte order. JavaScript's own `<` compares UTF-16 units, which
 * puts characters beyond U+FFFF before U+E000–U+FFFF; lifting surrogates above that range mends it.
 */
export function compareUtf8(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let at = 0; at < shared; at++) {
    const left = a.charCodeAt(at);
    const right = b.charCodeAt(at);
    if (left !== right) return lifted(left) - lifted(right);
  }
  return a.length - b.length;
}

function lifted(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** The smallest string greater than every string that starts with `prefix`; undefined when there is none. */
export function afterPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix);
  for (let at = points.length - 1; at >= 0; at--) {
    const point = points[at]?.codePointAt(0) ?? 0;
    if (point < 0x10ffff) {
      const next = point === 0xd7ff ? 0xe000 : point + 1;
      return points.slice(0, at).join('') + String.fromCodePoint(next);
    }
  }
  return undefined;
}
