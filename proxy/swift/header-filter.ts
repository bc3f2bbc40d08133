/** Lists of header names as settings have them: `x-timestamp x-object-meta-*`. Pure. */

/** Says of a lower-case name whether `removed` names it and `kept` does not. */
export function headerFilter(removed: string, kept: string): (name: string) => boolean {
  const [drops, keeps] = [matcher(removed), matcher(kept)];
  return (name) => drops(name) && !keeps(name);
}

function matcher(list: string): (name: string) => boolean {
  const words = list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((word) => word !== '');
  const whole = new Set(words.filter((word) => !word.endsWith('*')));
  const prefixes = words.filter((word) => word.endsWith('*')).map((word) => word.slice(0, -1));
  return (name) => whole.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
}
