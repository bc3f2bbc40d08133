/** Times as this API writes them. */
export function fromMicroseconds(us: number): string {
  return `${new Date(us / 1_000).toISOString().slice(0, 19)}Z`;
}
