/** Payloads whose memory may be given back (`common/lent-buffers.ts`) by whoever looks at them last. */
import type { LentBuffers } from '#common';

/** Smaller payloads may lie in a pool, or beside others. */
export const lentBytesMin = 65_536;

/** The same bytes as a loan of `buffers`, which must be what their message's memory came from, with nothing else in it. */
export function lentView(data: Buffer, buffers: LentBuffers | undefined): Buffer {
  if (buffers === undefined || data.length < lentBytesMin) return data;
  const { buffer, byteOffset, length } = data;
  return buffers.lend(Buffer.from(buffer), byteOffset, byteOffset + length);
}
