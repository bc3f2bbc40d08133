/** Times as S3 shows them. Both forms say whole seconds, so that a header and a listing of one object agree. */

/** `Sun, 06 Nov 1994 08:49:37 GMT`. */
export function httpDate(us: number): string {
  return new Date(Math.floor(us / 1_000_000) * 1000).toUTCString();
}

/** `1994-11-06T08:49:37.000Z`. */
export function listingDate(us: number): string {
  return new Date(Math.floor(us / 1_000_000) * 1000).toISOString();
}
