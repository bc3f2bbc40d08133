/** Patterns of policies: `*` is any run of characters, `?` any one, unless they are made literal. Time is bounded by the product of the lengths. */

// Halves of surrogate pairs: no name or header holds one, since they are no text.
const literal: Readonly<Record<string, string>> = { '*': '\ud800', '?': '\ud801' };

/** Text to be found as it is, whoever chose it: not as a pattern. */
export function literally(text: string): string {
  return text.replace(/[*?]/g, (wildcard) => literal[wildcard] ?? wildcard);
}

export function matchesGlob(pattern: string, text: string): boolean {
  if (pattern === '*') return true;
  let at = 0;
  let from = 0;
  let star = -1;
  let resume = 0;
  while (at < text.length) {
    const wanted = pattern[from];
    if (wanted === '*') {
      star = from++;
      resume = at;
    } else if (wanted !== undefined && (wanted === '?' || isSame(wanted, text[at]))) {
      from++;
      at++;
    } else if (star >= 0) {
      from = star + 1;
      at = ++resume;
    } else return false;
  }
  while (pattern[from] === '*') from++;
  return from === pattern.length;
}

function isSame(wanted: string, given: string | undefined): boolean {
  return wanted === given || (given !== undefined && wanted === literal[given]);
}
