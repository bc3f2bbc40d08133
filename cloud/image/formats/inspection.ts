/** What an inspector says of a file, and how it refuses one. */
import { Failure } from '#common';

export type ContentFormat =
  | 'raw'
  | 'qcow2'
  | 'iso'
  | 'vdi'
  | 'vhd'
  | 'vhdx'
  | 'vmdk'
  | 'ova'
  | 'ovf'
  | 'luks';

export interface Inspection {
  readonly format: ContentFormat;
  /** The size of the disk that a guest would see. */
  readonly virtualBytes: number;
  /** Of a VMDK, its kind; of an OVA, the name of the disk inside. */
  readonly detail?: string;
}

export interface InspectionLimits {
  readonly virtualBytesMax: number;
}

/** `reason` is shown to the client: it names what is wrong, never more than a short piece of the file. */
export function refuse(format: ContentFormat | 'file', reason: string): Failure {
  return new Failure('invalid', 'image-refused', `${format}: ${reason}`, {
    facts: { format, reason },
  });
}

/** A size out of a header: refused when it is nonsense or beyond the limit. */
export function checkedSize(
  format: ContentFormat,
  bytes: bigint,
  { virtualBytesMax }: InspectionLimits,
): number {
  if (bytes > BigInt(virtualBytesMax))
    throw refuse(format, `its virtual size of ${bytes} bytes is more than ${virtualBytesMax}`);
  if (bytes <= 0n) throw refuse(format, 'its virtual size is nothing');
  return Number(bytes);
}

/** Printable text of a header field, ended by its first NUL. */
export function fieldText(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
}
