/**
 * ETags of large objects that the other dialect made. Clients of S3 take an ETag without a dash for the MD5 of the bytes and check what they
 * read against it; so these get one, and what stands behind it, as with Swift's own S3 layer, counts no parts.
 */
const ending = '-N';

export function manifestEtag(etag: string): string {
  return `${etag}${ending}`;
}

/** The ETag that the object service knows. */
export function storedEtag(etag: string): string {
  return etag.endsWith(ending) ? etag.slice(0, -ending.length) : etag;
}

/** As listings show it. */
export function listedEtag({ etag, sloEtag }: { etag: string; sloEtag?: string }): string {
  return sloEtag === undefined ? etag : manifestEtag(sloEtag);
}
