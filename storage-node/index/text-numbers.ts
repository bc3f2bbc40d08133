/**
 * Numbers as fixed-width text of 7-bit units, most significant first: one byte of UTF-8 each, quick to write and to
 * read, and ordered like the numbers.
 */
const scratch = Buffer.alloc(16 * 1024);
let used = 0;

/** Starts a new text. There is one scratch place, so a text is finished before the next is begun. */
export function begin(): void {
  used = 0;
}

/** Appends `value`, below 2^(7 · units) and below 2^53. */
export function append(value: number, units: number): void {
  let rest = value;
  for (let at = used + units - 1; at >= used; at--) {
    if (rest < 0x80000000) {
      scratch[at] = rest & 0x7f;
      rest >>>= 7;
    } else {
      scratch[at] = rest % 128;
      rest = Math.floor(rest / 128);
    }
  }
  used += units;
}

export function finish(): string {
  return scratch.toString('latin1', 0, used);
}

export function numberAt(text: string, at: number, units: number): number {
  let value = 0;
  for (let i = at; i < at + units; i++) value = value * 128 + text.charCodeAt(i);
  return value;
}
