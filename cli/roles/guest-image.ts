/**
 * The project's own guest image, `pileus-guest`: built once from Debian packages into a cache outside any data folder, then
 * registered in each new cloud. Both happen as an operation beside everything else; `pileus up` does not wait.
 */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import Type from 'typebox';
import type { LocalImages } from '#cloud/image';
import { declareWorkflow, hasEnded, type Operations, type Workflow } from '#cloud/operations';
import { Failure } from '#common';
import { installPackages } from '../packages.ts';

export const guestName = 'pileus-guest';

/** The same in every cloud, so that registering twice is registering once. */
export const guestId = '70696c65-7573-4775-8573-740000000002';

const folder = join(import.meta.dirname, '../../tools/guest-image');
const file = join(folder, '.cache', 'pileus-guest.qcow2');
const packages = ['qemu-utils', 'e2fsprogs', 'util-linux'];

export const isGuestBuilt = (): boolean => fs.existsSync(file);
export const canBuildGuest = (): boolean => process.getuid?.() === 0 && process.arch === 'x64';

const buildTimeoutMs = 900_000;
const linesMax = 40;

export function guestWorkflow(images: LocalImages): Workflow {
  return declareWorkflow({
    name: 'image.guest',
    input: Type.Object({}),
    steps: [
      {
        name: 'build',
        timeoutMs: buildTimeoutMs,
        retriesMax: 0,
        run: ({ signal }) => build(signal),
      },
      {
        name: 'register',
        timeoutMs: 300_000,
        retriesMax: 3,
        run: async () => {
          const body = fs.createReadStream(file, { highWaterMark: 1024 * 1024 });
          await images.create(guestImage, body, fs.statSync(file).size);
          return undefined;
        },
      },
    ],
  });
}

const guestImage = {
  id: guestId,
  name: guestName,
  owner: null,
  visibility: 'public',
  properties: new Map([
    ['os_distro', 'pileus'],
    ['os_type', 'linux'],
    ['architecture', 'x86_64'],
  ]),
} as const;

/** Called at every start; does nothing when the image is there, or was and was deleted by somebody. */
export async function registerGuest(parts: {
  readonly operations: Operations;
  readonly images: { readonly local: LocalImages };
}): Promise<void> {
  const { operations, images } = parts;
  const resource = { type: 'guest-image', id: guestName };
  const last = await operations.findLatest(resource);
  const mayBegin = last === undefined || (hasEnded(last) && last.state !== 'succeeded');
  if (!mayBegin || (await images.local.find(guestId))?.status === 'active') return;
  await operations.start({ workflow: 'image.guest', input: {}, resource });
}

/** How it can be had where it cannot be built here. */
export const guestAdvice =
  'as root run: tools/guest-image/build.sh tools/guest-image/.cache/pileus-guest.qcow2 && ./pileus up';

async function build(signal: AbortSignal): Promise<undefined> {
  if (isGuestBuilt() && (isFresh() || !canBuildGuest())) return undefined;
  if (!canBuildGuest())
    throw new Failure(
      'denied',
      'guest-image-unbuilt',
      `The guest image is built by root on x86-64; ${guestAdvice}`,
    );
  fs.mkdirSync(join(folder, '.cache'), { recursive: true });
  const missing = await run('dpkg-query', ['--status', ...packages], signal).then(
    () => false,
    () => true,
  );
  if (missing) await installPackages(packages, signal);
  await run('nice', [join(folder, 'build.sh'), file], signal);
  return undefined;
}

/** Whether nothing that it is made of has changed since it was built. */
function isFresh(): boolean {
  const builtMs = fs.statSync(file).mtimeMs;
  const sources = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return sources.every((name) => {
    if (name.startsWith('.cache')) return true;
    const source = fs.lstatSync(join(folder, name));
    return !source.isFile() || source.mtimeMs <= builtMs;
  });
}

/** Runs a program to its end; its last lines are the failure. */
function run(program: string, args: readonly string[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], env, signal });
    let lines: string[] = [];
    child.stderr.on('data', (chunk: Buffer) => {
      lines = [...lines, ...chunk.toString('utf8').trim().split('\n')].slice(-linesMax);
    });
    const fail = (why: string) =>
      reject(new Failure('invalid', 'guest-image-failed', `${program}: ${why}; ${guestAdvice}`));
    child.on('error', (error) => fail(error.message));
    child.on('close', (code, killedBy) => {
      if (code === 0) resolve();
      else fail(lines.at(-1) ?? `ended with ${killedBy ?? code}`);
    });
  });
}
