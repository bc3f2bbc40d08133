/** Image files made by hand, byte by byte, so that tests can bend any field. */

export interface Qcow2Fields {
  readonly version?: number;
  readonly backing?: string;
  readonly virtualBytes?: bigint;
  readonly incompatible?: bigint;
  readonly encryption?: number;
  readonly clusterBits?: number;
  readonly firstTable?: bigint;
  readonly extension?: { readonly type: number; readonly data: Buffer };
}

/** A qcow2 of one MiB of zeros: header, one table, reference counts. */
export function qcow2(fields: Qcow2Fields = {}): Buffer {
  const file = Buffer.alloc(4 * 65_536);
  const { version = 3, backing, extension } = fields;
  file.writeUInt32BE(0x514649fb, 0);
  file.writeUInt32BE(version, 4);
  if (backing !== undefined) {
    file.writeBigUInt64BE(512n, 8);
    file.writeUInt32BE(Buffer.byteLength(backing), 16);
    file.write(backing, 512);
  }
  file.writeUInt32BE(fields.clusterBits ?? 16, 20);
  file.writeBigUInt64BE(fields.virtualBytes ?? 1_048_576n, 24);
  file.writeUInt32BE(fields.encryption ?? 0, 32);
  file.writeUInt32BE(1, 36);
  file.writeBigUInt64BE(fields.firstTable ?? 196_608n, 40);
  file.writeBigUInt64BE(65_536n, 48);
  file.writeUInt32BE(1, 56);
  if (version >= 3) {
    file.writeBigUInt64BE(fields.incompatible ?? 0n, 72);
    file.writeUInt32BE(4, 96);
    file.writeUInt32BE(104, 100);
  }
  if (extension !== undefined) {
    file.writeUInt32BE(extension.type, 104);
    file.writeUInt32BE(extension.data.length, 108);
    extension.data.copy(file, 112);
  }
  return file;
}

export interface VmdkFields {
  readonly createType?: string;
  readonly extents?: readonly string[];
  readonly more?: string;
  readonly sectors?: bigint;
}

/** A sparse VMDK of one MiB: header and description. */
export function vmdk(fields: VmdkFields = {}): Buffer {
  const file = Buffer.alloc(65_536);
  const { sectors = 2048n, extents = ['RW 2048 SPARSE "disk.vmdk"'] } = fields;
  file.write('KDMV', 0);
  file.writeUInt32LE(1, 4);
  file.writeBigUInt64LE(sectors, 12);
  file.writeBigUInt64LE(128n, 20);
  file.writeBigUInt64LE(1n, 28);
  file.writeBigUInt64LE(20n, 36);
  file.writeBigUInt64LE(26n, 56);
  const lines = [
    ...['# Disk DescriptorFile', 'version=1', 'CID=fffffffe', 'parentCID=ffffffff'],
    `createType="${fields.createType ?? 'monolithicSparse'}"`,
    ...extents,
    fields.more ?? '',
  ];
  file.write(lines.join('\n'), 512);
  return file;
}

export interface TarMember {
  readonly name: string;
  readonly data: Buffer;
  readonly type?: string;
  /** What the header says; the data may be shorter. */
  readonly bytes?: number;
}

export function tar(members: readonly TarMember[]): Buffer {
  const blocks = members.flatMap(({ name, data, type = '0', bytes = data.length }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0, 100);
    header.write('0000644\0', 100);
    header.write(`${bytes.toString(8).padStart(11, '0')}\0`, 124);
    header.fill(' ', 148, 156);
    header.write(type, 156);
    header.write('ustar\0', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, data, Buffer.alloc((512 - (data.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

export interface OvfFields {
  readonly capacity?: string;
  readonly units?: string;
  readonly href?: string;
  readonly file?: string;
  readonly head?: string;
}

export const ovf = (fields: OvfFields = {}): Buffer =>
  Buffer.from(`<?xml version="1.0"?>${fields.head ?? ''}
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
<References><File ovf:href="${fields.href ?? 'disk.vmdk'}" ovf:id="f1" ${fields.file ?? ''}/></References>
<DiskSection><Info>disks</Info><Disk ovf:capacity="${fields.capacity ?? '1048576'}"
 ovf:capacityAllocationUnits="${fields.units ?? 'byte'}" ovf:diskId="d1" ovf:fileRef="f1"/></DiskSection></Envelope>`);

export const ova = (description = ovf(), disk: Partial<TarMember> = {}): Buffer =>
  tar([
    { name: 'machine.ovf', data: description },
    { name: 'disk.vmdk', data: vmdk(), ...disk },
  ]);
