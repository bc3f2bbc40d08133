/** The `Range` header over a body of known length. Pure. */

export interface ByteRange {
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
}

/** `undefined`: there is no (usable) Range, send it all. An empty list: none can be satisfied. */
export function parseRange(header: string | undefined, length: number): ByteRange[] | undefined {
  if (header === undefined) return undefined;
  const match = /^bytes=([\d\s,-]+)$/i.exec(header.trim());
  const listed = match?.[1];
  if (listed === undefined) return undefined;
  const ranges: ByteRange[] = [];
  const specs = listed.split(',');
  // What asks for this much in pieces is no reader (RFC 9110 §14.2 warns of it).
  if (specs.length > rangesMax) return [];
  for (const spec of specs) {
    const parts = /^(\d{0,15})-(\d{0,15})$/.exec(spec.trim());
    if (parts === null) return undefined;
    const [, first = '', last = ''] = parts;
    if (first === '' && last === '') return undefined;
    if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined;
    const range = resolve(first, last, length);
    if (range !== undefined) ranges.push(range);
  }
  return isAbusive(ranges) ? [] : ranges;
}

const rangesMax = 50;
const overlapsMax = 2;
const descendingMax = 8;

function resolve(first: string, last: string, length: number): ByteRange | undefined {
  if (first === '') {
    const count = Math.min(Number(last), length);
    return count === 0 ? undefined : { first: length - count, last: length - 1 };
  }
  if (Number(first) >= length) return undefined;
  return {
    first: Number(first),
    last: last === '' ? length - 1 : Math.min(Number(last), length - 1),
  };
}

function isAbusive(ranges: readonly ByteRange[]): boolean {
  if (ranges.length < 2) return false;
  let descending = 0;
  for (let at = 1; at < ranges.length; at++)
    if ((ranges[at]?.first ?? 0) < (ranges[at - 1]?.first ?? 0)) descending += 1;
  const sorted = [...ranges].sort((a, b) => a.first - b.first);
  let overlaps = 0;
  for (let at = 1; at < sorted.length; at++)
    if ((sorted[at]?.first ?? 0) <= (sorted[at - 1]?.last ?? -1)) overlaps += 1;
  return overlaps > overlapsMax || descending >= descendingMax;
}
