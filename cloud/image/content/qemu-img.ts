/**
 * `qemu-img` makes a raw disk of an image that was inspected before. It runs as a child that may do little: no rights of
 * this process, no network, a bounded address space, CPU time and file size, and no file but the two that are open for it.
 *
 *  1. The image is written to a scratch file; an empty raw file of the disk's size is made beside it.
 *  2. The child gets both as open descriptors (`/dev/fd/3`, `/dev/fd/4`): it never learns a path, and needs no folder.
 *  3. The raw file is handed on as a stream, and both files go, whatever happened.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { constants, createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '#common';
import type { ImageSettings } from '../settings.ts';

export type ConverterSettings = Pick<
  ImageSettings,
  'convertTimeoutMs' | 'convertMemoryBytesMax' | 'convertBytesMax'
>;

export interface Conversion {
  /** Names the scratch files. */
  readonly id: string;
  /** `qemu-img`'s word for the format; it is never guessed. */
  readonly format: 'qcow2' | 'vdi' | 'vpc' | 'vhdx' | 'vmdk';
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly diskBytes: number;
  readonly signal: AbortSignal;
}

export interface Converter {
  convert<T>(conversion: Conversion, use: (raw: AsyncIterable<Buffer>) => Promise<T>): Promise<T>;
}

/** Whoever the child is when this process could make it anybody. */
const nobody = 65_534;

export function qemuImgConverter(folder: string, settings: ConverterSettings): Converter {
  return {
    async convert(conversion, use) {
      const { diskBytes } = conversion;
      if (diskBytes > settings.convertBytesMax)
        throw refused(`its disk is larger than ${settings.convertBytesMax} bytes`);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const source = join(folder, `${conversion.id}.image`);
      const target = join(folder, `${conversion.id}.raw`);
      try {
        await writeFile(source, conversion.bytes, settings.convertBytesMax);
        await run({ source, target, conversion, settings });
        return await use(createReadStream(target, { end: diskBytes - 1, highWaterMark: 1 << 20 }));
      } finally {
        await rm(source, { force: true });
        await rm(target, { force: true });
      }
    },
  };
}

/** Scratch files of a process that is gone. */
export async function clearScratch(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => []))
    if (/\.(image|raw)$/.test(name)) await rm(join(folder, name), { force: true });
}

async function writeFile(
  path: string,
  bytes: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<void> {
  const file = await open(path, 'w', 0o600);
  let written = 0;
  try {
    for await (const chunk of bytes) {
      written += chunk.length;
      if (written > bytesMax) throw refused(`its file is larger than ${bytesMax} bytes`);
      await file.write(chunk);
    }
  } finally {
    await file.close();
  }
}

interface Run {
  readonly source: string;
  readonly target: string;
  readonly conversion: Conversion;
  readonly settings: ConverterSettings;
}

async function run({ source, target, conversion, settings }: Run): Promise<void> {
  const root = process.getuid?.() === 0;
  const input = await open(source, 'r');
  let output: FileHandle | undefined;
  try {
    output = await open(target, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o600);
    await output.truncate(conversion.diskBytes);
    // The child opens them again through its descriptors, as whoever it is then.
    if (root) for (const file of [input, output]) await file.chown(nobody, nobody);
    const [program, ...args] = await jailed(settings, root, [
      ...['/usr/bin/qemu-img', 'convert', '-n', '--target-is-zero'],
      ...['-f', conversion.format, '-O', 'raw', '/dev/fd/3', '/dev/fd/4'],
    ]);
    const child = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe', input.fd, output.fd],
      env: { MALLOC_ARENA_MAX: '2' },
      cwd: '/',
      timeout: settings.convertTimeoutMs,
      killSignal: 'SIGKILL',
      signal: conversion.signal,
    });
    await endOf(child);
  } finally {
    await output?.close();
    await input.close();
  }
}

/** The command inside what takes its rights away; each layer execs the next. */
async function jailed(
  settings: ConverterSettings,
  root: boolean,
  command: readonly string[],
): Promise<[string, ...string[]]> {
  const limits = [
    '/usr/bin/prlimit',
    `--as=${settings.convertMemoryBytesMax}`,
    `--cpu=${Math.ceil(settings.convertTimeoutMs / 1000)}`,
    `--fsize=${settings.convertBytesMax}`,
    // A thread reserves a stack of the limit's size, whatever it uses of it.
    ...['--nofile=64', '--core=0', '--stack=2097152'],
    ...command,
  ];
  const drop = root
    ? [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--bounding-set=-all']
    : [];
  const unprivileged = ['/usr/bin/setpriv', ...drop, '--no-new-privs', ...limits];
  const apart = root ? ['--net', '--ipc'] : ['--user', '--net', '--ipc'];
  if (!(await mayUnshare(apart))) return ['/usr/bin/env', ...unprivileged];
  return ['/usr/bin/unshare', ...apart, ...unprivileged];
}

const known = new Map<string, Promise<boolean>>();

/** Not every kernel and container lets a process have namespaces of its own: tried once. */
function mayUnshare(apart: readonly string[]): Promise<boolean> {
  const key = apart.join(' ');
  const answer =
    known.get(key) ??
    new Promise<boolean>((resolve) => {
      execFile('/usr/bin/unshare', [...apart, '/bin/true'], { timeout: 5_000 }, (error) =>
        resolve(error === null),
      );
    });
  known.set(key, answer);
  return answer;
}

async function endOf(child: ChildProcess): Promise<void> {
  let complaint = '';
  child.stderr?.on('data', (text: Buffer) => {
    if (complaint.length < 1000) complaint += text.toString('utf8');
  });
  await new Promise<void>((resolve, reject) => {
    child.on('error', (error) => {
      const missing = 'code' in error && error.code === 'ENOENT';
      reject(missing ? toolMissing() : refused(error.message));
    });
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else if (code === 127 || /qemu-img: No such file/.test(complaint)) reject(toolMissing());
      else if (signal === 'SIGABRT')
        // It gives up so when the machine has no thread or memory for it just now: nothing the image did.
        reject(
          new Failure(
            'busy',
            'conversion-aborted',
            `qemu-img gave up: ${complaint.slice(0, 300).trim()}`,
          ),
        );
      else
        reject(refused(`qemu-img ended with ${signal ?? code}: ${complaint.slice(0, 300).trim()}`));
    });
  });
}

const refused = (reason: string): Failure =>
  new Failure('invalid', 'conversion-failed', `The image cannot become a volume: ${reason}`, {
    facts: { reason },
  });

const toolMissing = (): Failure =>
  new Failure('missing', 'tool-missing', 'qemu-img is not installed', {
    facts: {
      reason:
        'qemu-img is missing; as root run: apt-get install -y --no-install-recommends qemu-utils',
    },
  });
