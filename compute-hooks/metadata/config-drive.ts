/**
 * Makes a config drive: an ISO 9660 image (ECMA-119, interchange level 2) labelled `config-2`.
 *
 * 1. The tree of directories is built from the paths and laid out breadth first, as the path table wants it.
 * 2. Every directory and file gets its extent: whole sectors, directories before files.
 * 3. Descriptors, path tables, directories and files are written into one buffer.
 *
 * Names are stored in upper case with version 1; Linux shows them in lower case without it, so a path here must
 * be in lower case already. No extensions (Rock Ridge, Joliet) are needed for the names a config drive has.
 */
import assert from 'node:assert/strict';

const SECTOR_BYTES = 2048;
const SYSTEM_SECTORS = 16;
const NAME_CHARS_MAX = 28;
const DEPTH_MAX = 8;
const FILES_MAX = 256;
export const CONFIG_DRIVE_BYTES_MAX = 64 * 1024 * 1024;
export const CONFIG_DRIVE_LABEL = 'config-2';

interface Entry {
  readonly name: string;
  /** Undefined for a directory. */
  readonly body: Uint8Array | undefined;
  readonly children: Map<string, Entry>;
  parent: Entry | undefined;
  sector: number;
  sizeBytes: number;
}

/** The bytes of a config drive that holds `files`: path with forward slashes → content. */
export function buildConfigDrive(files: ReadonlyMap<string, Uint8Array | string>): Buffer {
  const root = buildTree(files);
  const directories = listDirectories(root);
  const pathTableBytes = directories.reduce((sum, entry) => sum + pathRecordBytes(entry), 0);
  const pathTableSectors = sectorsOf(pathTableBytes);
  let next = SYSTEM_SECTORS + 2 + 2 * pathTableSectors;
  for (const directory of directories) {
    directory.sizeBytes = directoryBytes(directory);
    directory.sector = next;
    next += sectorsOf(directory.sizeBytes);
  }
  const bodies = directories.flatMap((entry) => sorted(entry).filter((child) => child.body));
  for (const file of bodies) {
    file.sector = next;
    next += sectorsOf(file.sizeBytes);
  }
  assert(
    next * SECTOR_BYTES <= CONFIG_DRIVE_BYTES_MAX,
    `a config drive of ${next} sectors is too large`,
  );

  const image = Buffer.alloc(next * SECTOR_BYTES);
  const tableL = SYSTEM_SECTORS + 2;
  const tableM = tableL + pathTableSectors;
  writeVolumeDescriptor(image, { root, sectors: next, pathTableBytes, tableL, tableM });
  writeTerminator(image);
  writePathTable(image, { directories, sector: tableL, big: false });
  writePathTable(image, { directories, sector: tableM, big: true });
  for (const directory of directories) writeDirectory(image, directory);
  for (const file of bodies) image.set(file.body ?? [], file.sector * SECTOR_BYTES);
  return image;
}

function newEntry(name: string, parent?: Entry, body?: Uint8Array): Entry {
  return { name, body, children: new Map(), parent, sector: 0, sizeBytes: body?.length ?? 0 };
}

function buildTree(files: ReadonlyMap<string, Uint8Array | string>): Entry {
  assert(files.size <= FILES_MAX, `a config drive holds at most ${FILES_MAX} files`);
  const root = newEntry('');
  for (const [path, content] of files) {
    const parts = path.split('/');
    const fileName = parts.pop();
    assert(fileName && parts.length < DEPTH_MAX, `not a path for a config drive: ${path}`);
    let at = root;
    for (const part of parts) {
      const found = at.children.get(part) ?? newEntry(checkName(part), at);
      assert(found.body === undefined, `${path} lies under a file`);
      at.children.set(part, found);
      at = found;
    }
    assert(!at.children.has(fileName), `${path} is there twice`);
    const body = typeof content === 'string' ? Buffer.from(content) : content;
    at.children.set(fileName, newEntry(checkName(fileName), at, body));
  }
  return root;
}

function checkName(name: string): string {
  assert(
    /^[a-z0-9_-]+(\.[a-z0-9_-]+)?$/.test(name) && name.length <= NAME_CHARS_MAX,
    `not a name for a config drive: ${name}`,
  );
  return name;
}

function listDirectories(root: Entry): Entry[] {
  const found = [root];
  for (const entry of found)
    found.push(...sorted(entry).filter((child) => child.body === undefined));
  return found;
}

function sorted(directory: Entry): Entry[] {
  return [...directory.children.values()].sort((a, b) => (storedName(a) < storedName(b) ? -1 : 1));
}

function storedName(entry: Entry): string {
  if (entry.body === undefined) return entry.name.toUpperCase();
  return `${entry.name.toUpperCase()}${entry.name.includes('.') ? '' : '.'};1`;
}

const sectorsOf = (bytes: number): number => Math.ceil(bytes / SECTOR_BYTES);
const padEven = (bytes: number): number => bytes + (bytes % 2);
const recordBytes = (nameBytes: number): number => padEven(33 + nameBytes);
const pathRecordBytes = (entry: Entry): number => padEven(8 + Math.max(1, entry.name.length));

/** A directory's records in order, each with its offset: a record never crosses a sector's end. */
function layOut(directory: Entry): { name: Buffer; of: Entry; at: number }[] {
  const records = [
    { name: Buffer.from([0]), of: directory, at: 0 },
    { name: Buffer.from([1]), of: directory.parent ?? directory, at: 0 },
    ...sorted(directory).map((of) => ({ name: Buffer.from(storedName(of), 'ascii'), of, at: 0 })),
  ];
  let at = 0;
  for (const record of records) {
    const bytes = recordBytes(record.name.length);
    if (at % SECTOR_BYTES > SECTOR_BYTES - bytes) at = sectorsOf(at) * SECTOR_BYTES;
    record.at = at;
    at += bytes;
  }
  return records;
}

function directoryBytes(directory: Entry): number {
  const last = layOut(directory).at(-1);
  assert(last);
  return sectorsOf(last.at + recordBytes(last.name.length)) * SECTOR_BYTES;
}

function writeDirectory(image: Buffer, directory: Entry): void {
  for (const { name, of, at } of layOut(directory)) {
    writeRecord(image, { at: directory.sector * SECTOR_BYTES + at, name, of });
  }
}

function writeRecord(image: Buffer, record: { at: number; name: Buffer; of: Entry }): void {
  const { at, name, of } = record;
  image[at] = recordBytes(name.length);
  writeBoth32(image, of.sector, at + 2);
  writeBoth32(image, of.sizeBytes, at + 10);
  image[at + 18] = 70; // the date is the epoch: years since 1900, month, day
  image[at + 19] = 1;
  image[at + 20] = 1;
  image[at + 25] = of.body === undefined ? 2 : 0;
  writeBoth16(image, 1, at + 28);
  image[at + 32] = name.length;
  image.set(name, at + 33);
}

function writePathTable(
  image: Buffer,
  table: { directories: readonly Entry[]; sector: number; big: boolean },
): void {
  let at = table.sector * SECTOR_BYTES;
  for (const entry of table.directories) {
    const name =
      entry.name === '' ? Buffer.from([0]) : Buffer.from(entry.name.toUpperCase(), 'ascii');
    const parent = table.directories.indexOf(entry.parent ?? entry) + 1;
    image[at] = name.length;
    if (table.big) {
      image.writeUInt32BE(entry.sector, at + 2);
      image.writeUInt16BE(parent, at + 6);
    } else {
      image.writeUInt32LE(entry.sector, at + 2);
      image.writeUInt16LE(parent, at + 6);
    }
    image.set(name, at + 8);
    at += pathRecordBytes(entry);
  }
}

function writeVolumeDescriptor(
  image: Buffer,
  volume: { root: Entry; sectors: number; pathTableBytes: number; tableL: number; tableM: number },
): void {
  const at = SYSTEM_SECTORS * SECTOR_BYTES;
  image[at] = 1;
  image.write('CD001', at + 1, 'ascii');
  image[at + 6] = 1;
  image.fill(0x20, at + 8, at + 72);
  image.write(CONFIG_DRIVE_LABEL, at + 40, 'ascii');
  writeBoth32(image, volume.sectors, at + 80);
  writeBoth16(image, 1, at + 120);
  writeBoth16(image, 1, at + 124);
  writeBoth16(image, SECTOR_BYTES, at + 128);
  writeBoth32(image, volume.pathTableBytes, at + 132);
  image.writeUInt32LE(volume.tableL, at + 140);
  image.writeUInt32BE(volume.tableM, at + 148);
  writeRecord(image, { at: at + 156, name: Buffer.from([0]), of: volume.root });
  image.fill(0x20, at + 190, at + 813);
  for (const date of [813, 830, 847, 864]) image.fill(0x30, at + date, at + date + 16); // not given
  image[at + 881] = 1;
}

function writeTerminator(image: Buffer): void {
  const at = (SYSTEM_SECTORS + 1) * SECTOR_BYTES;
  image[at] = 255;
  image.write('CD001', at + 1, 'ascii');
  image[at + 6] = 1;
}

function writeBoth32(image: Buffer, value: number, at: number): void {
  image.writeUInt32LE(value, at);
  image.writeUInt32BE(value, at + 4);
}

function writeBoth16(image: Buffer, value: number, at: number): void {
  image.writeUInt16LE(value, at);
  image.writeUInt16BE(value, at + 2);
}
