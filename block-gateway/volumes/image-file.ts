/**
 * Image files as the content of a volume. The format is found by looking at the content, never by a name; anything but raw goes through
 * `qemu-img` in a process of its own with bounded memory and time, after everything that could make it open another file was refused.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { type Disk, Failure } from '#common';
import type { BlockGatewaySettings } from '../settings.ts';
import { Fields, parseObject } from '../volume/fields.ts';

export type ImageFormat = 'raw' | 'qcow2';

export interface ImageFile {
  readonly format: ImageFormat;
  /** What a guest sees. */
  readonly virtualBytes: number;
}

const qcowMagic = 0x514649fb;
// Formats that qemu-img would read, and we don't: a guest's bytes could name files of this host in them.
const refusedMagics: readonly {
  readonly at: number;
  readonly bytes: string;
  readonly name: string;
}[] = [
  { at: 0, bytes: 'KDMV', name: 'vmdk' },
  { at: 0, bytes: '# Disk DescriptorFile', name: 'vmdk' },
  { at: 0, bytes: 'vhdxfile', name: 'vhdx' },
  { at: 0, bytes: 'QED\0', name: 'qed' },
];

/** Looks at the file and says what it is; `invalid` when it may not become a volume. */
export async function inspectImage(
  disk: Disk,
  path: string,
  settings: BlockGatewaySettings,
): Promise<ImageFile> {
  const file = await disk.open(path, 'read');
  try {
    const head = Buffer.alloc(4096);
    const got = await file.read(head, 0);
    const start = head.subarray(0, got);
    for (const magic of refusedMagics) {
      if (start.toString('latin1', magic.at, magic.at + magic.bytes.length) === magic.bytes)
        throw badImage('format', magic.name);
    }
    const qcow = got >= 104 && start.readUInt32BE(0) === qcowMagic;
    const virtualBytes = qcow ? checkQcow2(start) : await file.size();
    if (virtualBytes > settings.importBytesMax) throw badImage('size', String(virtualBytes));
    if (qcow) await checkByTool(path, settings);
    return { format: qcow ? 'qcow2' : 'raw', virtualBytes };
  } finally {
    await file.close();
  }
}

/** The header by itself: version 2 or 3, no backing file, no external data file, no encryption. */
function checkQcow2(head: Buffer): number {
  const version = head.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw badImage('qcow2-version', String(version));
  if (head.readBigUInt64BE(8) !== 0n) throw badImage('backing-file', 'yes');
  if (head.readUInt32BE(32) !== 0) throw badImage('encryption', 'yes');
  if (version === 3 && (head.readBigUInt64BE(72) & 4n) !== 0n)
    throw badImage('external-data-file', 'yes');
  const size = Number(head.readBigUInt64BE(24));
  if (!Number.isSafeInteger(size)) throw badImage('size', 'too large');
  return size;
}

async function checkByTool(path: string, settings: BlockGatewaySettings): Promise<void> {
  const [program, ...args] = limited(settings, [
    'info',
    '-f',
    'qcow2',
    '--output=json',
    localFile(path),
  ]);
  const printed = await new Promise<string>((resolve, reject) => {
    const options = { timeout: 30_000, maxBuffer: 1024 * 1024, env: {} };
    execFile(program, args, options, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(badImage('qemu-img', error.message.slice(0, 200)));
    });
  });
  const fields = new Fields(parseObject(printed));
  const told = parseObject(printed);
  if (fields.text('format') !== 'qcow2') throw badImage('format', fields.text('format'));
  if (told['backing-filename'] !== undefined) throw badImage('backing-file', 'yes');
  const specific = fields.object('format-specific')?.data;
  if (typeof specific === 'object' && specific !== null && 'data-file' in specific)
    throw badImage('external-data-file', 'yes');
}

/** A raw image's bytes. */
export async function* readRaw(disk: Disk, path: string, bytes: number): AsyncIterable<Buffer> {
  const file = await disk.open(path, 'read');
  try {
    const piece = Buffer.alloc(1024 * 1024);
    for (let at = 0; at < bytes; ) {
      const got = await file.read(piece.subarray(0, Math.min(piece.length, bytes - at)), at);
      if (got === 0) throw badImage('length', 'the file became shorter');
      yield piece.subarray(0, got);
      at += got;
    }
  } finally {
    await file.close();
  }
}

/** Lets `qemu-img` write what a guest would see of the image to an NBD export, several requests at a time and without the zeros. */
export async function convertImage(
  path: string,
  uri: string,
  settings: BlockGatewaySettings,
): Promise<void> {
  const [program, ...args] = limited(settings, [
    'convert',
    '-n',
    '--target-is-zero',
    '-W',
    '-f',
    'qcow2',
    '-O',
    'raw',
    localFile(path),
    uri,
  ]);
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {},
    timeout: settings.convertTimeoutMs,
    killSignal: 'SIGKILL',
  });
  await endOf(child);
}

async function endOf(child: ChildProcess): Promise<void> {
  let complaint = '';
  child.stderr?.on('data', (text: Buffer) => {
    if (complaint.length < 1000) complaint += text.toString('utf8');
  });
  await new Promise<void>((resolve, reject) => {
    child.on('error', (error) => reject(badImage('qemu-img', error.message)));
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(badImage('qemu-img', `${signal ?? code} ${complaint.slice(0, 200)}`));
    });
  });
}

/** `prlimit` bounds the address space and CPU time of what it starts. */
function limited(settings: BlockGatewaySettings, args: readonly string[]): [string, ...string[]] {
  const seconds = Math.ceil(settings.convertTimeoutMs / 1000);
  return [
    '/usr/bin/prlimit',
    `--as=${settings.convertMemoryBytesMax}`,
    `--cpu=${seconds}`,
    '--nofile=64',
    '/usr/bin/qemu-img',
    ...args,
  ];
}

/** A path that can't be taken for a protocol or an option. */
function localFile(path: string): string {
  return `file:${path}`;
}

function badImage(what: string, value: string): Failure {
  return new Failure('invalid', 'bad-image', 'This image cannot become a volume', {
    facts: { [what]: value },
  });
}
