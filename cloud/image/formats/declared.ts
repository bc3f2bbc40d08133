/** Whether what an image says it is can be what its bytes are. */
import type { ContentFormat, Inspection } from './inspection.ts';

/** `disk_format` → what its content may be found to be. Kernels and ramdisks, and Amazon's machine images, are bytes. */
const allowed: Readonly<Record<string, readonly ContentFormat[]>> = {
  raw: ['raw'],
  ami: ['raw'],
  aki: ['raw'],
  ari: ['raw'],
  qcow2: ['qcow2'],
  iso: ['iso'],
  vdi: ['vdi'],
  vhd: ['vhd'],
  vhdx: ['vhdx'],
  vmdk: ['vmdk'],
};

/** Why the content does not fit the declaration, or nothing. */
export function mismatch(
  declared: { readonly diskFormat: string; readonly containerFormat: string },
  found: Inspection,
): string | undefined {
  const { diskFormat, containerFormat } = declared;
  // A compressed file or an archive is opaque; what is in it is looked at when it is taken out.
  if (containerFormat === 'docker' || containerFormat === 'compressed') return undefined;
  const isArchive = found.format === 'ova' || found.format === 'ovf';
  if (isArchive && found.format === containerFormat) return undefined;
  if (containerFormat === 'ova')
    return `The image is declared an OVA but its content is ${found.format}.`;
  const formats = Object.hasOwn(allowed, diskFormat) ? allowed[diskFormat] : undefined;
  if (formats === undefined || formats.includes(found.format)) return undefined;
  const advice = isArchive ? `container_format ${found.format}` : `disk_format ${found.format}`;
  return `The image is declared ${diskFormat} but its content is ${found.format}: create it with ${advice}.`;
}
