/**
 * Headers that a presigner moved into the query: SDKs put `x-amz-*` there, so that who uses the URL need not send them. They are
 * part of what was signed. Checksums are left where they are: they are of the presigner's empty body, not of what is sent.
 */
import type { RequestHead } from './request-head.ts';

const ofSignature =
  /^x-amz-(algorithm|credential|date|expires|signature|signedheaders|security-token)$/;
const ofChecksum = /^x-amz-(checksum-|sdk-checksum|content-sha256)/;

/** The same head, with the hoisted headers that it does not carry itself. */
export function withHoistedHeaders(
  head: RequestHead,
  query: ReadonlyMap<string, string>,
): RequestHead {
  const headers = new Map(head.headers);
  for (const [parameter, value] of query) {
    const name = parameter.toLowerCase();
    const hoisted = name.startsWith('x-amz-') && !ofSignature.test(name) && !ofChecksum.test(name);
    if (hoisted && !headers.has(name))
      headers.set(name, Buffer.from(value, 'utf8').toString('latin1'));
  }
  return headers.size === head.headers.size ? head : { ...head, headers };
}
