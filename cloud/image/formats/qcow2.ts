/**
 * qcow2, versions 2 and 3 (QEMU's docs/interop/qcow2.txt). Refused: a backing file, an external data file, encryption,
 * feature bits nobody told us about, tables that lie outside the file.
 */
import type { Checker } from './checker.ts';
import { checkedSize, type Inspection, type InspectionLimits, refuse } from './inspection.ts';
import { Regions } from './regions.ts';

export const qcow2Magic = 0x514649fb;

const headBytes = 104;
// Dirty (1), corrupt (2), external data (4), compression type (8), extended L2 (16).
const knownIncompatible = 0b1_1111n;
const externalData = 4n;
const corrupt = 2n;
const extensionsBytes = 64 * 1024;

interface Header {
  readonly version: number;
  readonly virtualBytes: number;
  readonly headerBytes: number;
}

export function qcow2Checker(limits: InspectionLimits): Checker {
  const regions = new Regions();
  regions.want('head', 0, headBytes);
  regions.want('extensions', 0, extensionsBytes);
  return {
    feed: (chunk) => regions.feed(chunk),
    finish: (totalBytes) => {
      const head = regions.find('head');
      if (head === undefined) throw refuse('qcow2', 'it ends within its header');
      const header = checkHeader(head, totalBytes, limits);
      checkExtensions(regions.soFar('extensions'), header);
      const found: Inspection = { format: 'qcow2', virtualBytes: header.virtualBytes };
      return found;
    },
  };
}

function checkHeader(head: Buffer, totalBytes: number, limits: InspectionLimits): Header {
  const version = head.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw refuse('qcow2', `version ${version} is not known`);
  if (head.readBigUInt64BE(8) !== 0n || head.readUInt32BE(16) !== 0)
    throw refuse('qcow2', 'it names a backing file');
  const clusterBits = head.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21)
    throw refuse('qcow2', `clusters of 2^${clusterBits} bytes are not allowed`);
  if (head.readUInt32BE(32) !== 0) throw refuse('qcow2', 'it is encrypted');
  if (version === 3) checkFeatures(head);
  const virtualBytes = checkedSize('qcow2', head.readBigUInt64BE(24), limits);
  checkTables(head, { totalBytes, clusterBits, virtualBytes });
  const headerBytes = version === 3 ? head.readUInt32BE(100) : 72;
  if (headerBytes < 72 || headerBytes > 4096 || headerBytes % 8 !== 0)
    throw refuse('qcow2', 'its header has an impossible length');
  return { version, virtualBytes, headerBytes };
}

function checkFeatures(head: Buffer): void {
  const features = head.readBigUInt64BE(72);
  if ((features & externalData) !== 0n) throw refuse('qcow2', 'it keeps its data in another file');
  if ((features & corrupt) !== 0n) throw refuse('qcow2', 'it is marked as corrupt');
  if ((features & ~knownIncompatible) !== 0n)
    throw refuse('qcow2', 'it uses features that are not known');
}

function checkTables(
  head: Buffer,
  {
    totalBytes,
    clusterBits,
    virtualBytes,
  }: { totalBytes: number; clusterBits: number; virtualBytes: number },
): void {
  const entries = head.readUInt32BE(36);
  const perEntry = 2 ** (clusterBits - 3 + clusterBits);
  if (entries < Math.ceil(virtualBytes / perEntry) || entries > 4 * 1024 * 1024)
    throw refuse('qcow2', 'its first table has an impossible length');
  const inside = (offset: bigint, bytes: number) => offset + BigInt(bytes) <= BigInt(totalBytes);
  if (!inside(head.readBigUInt64BE(40), entries * 8))
    throw refuse('qcow2', 'its first table lies beyond the end of the file');
  if (!inside(head.readBigUInt64BE(48), 2 ** clusterBits))
    throw refuse('qcow2', 'its reference counts lie beyond the end of the file');
}

const dataFileName = 0x44415441;
const backingFormat = 0xe2792aca;
const endOfExtensions = 0;

/** Header extensions: an image may name files here too. */
function checkExtensions(first: Buffer, { headerBytes }: Header): void {
  for (let at = headerBytes, count = 0; at + 8 <= first.length; count++) {
    const type = first.readUInt32BE(at);
    const length = first.readUInt32BE(at + 4);
    if (type === endOfExtensions) return;
    if (type === dataFileName) throw refuse('qcow2', 'it names an external data file');
    if (type === backingFormat) throw refuse('qcow2', 'it names the format of a backing file');
    if (count > 64 || length > first.length) throw refuse('qcow2', 'its extensions do not end');
    at += 8 + Math.ceil(length / 8) * 8;
  }
}
