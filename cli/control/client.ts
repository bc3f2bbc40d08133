/** The command line's end of the control socket. */
import * as http from 'node:http';
import { createInterface } from 'node:readline';
import { Failure, type FailureKind, systemCodeOf } from '#common';
import type { DataFolder } from '../data-folder.ts';
import type { Progress } from './protocol.ts';

export interface CallOptions {
  readonly onProgress?: (progress: Progress) => void;
}

/** Calls the cloud that runs on `folder`; fails `missing` not-running when none does. */
export async function call(
  folder: DataFolder,
  name: string,
  args: Readonly<Record<string, unknown>> = {},
  options: CallOptions = {},
): Promise<unknown> {
  const response = await post(folder, name, JSON.stringify(args));
  for await (const text of createInterface({
    input: response,
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    const line: unknown = JSON.parse(text);
    if (typeof line !== 'object' || line === null) break;
    if ('progress' in line) options.onProgress?.(line.progress as Progress);
    else if ('result' in line) return line.result;
    else if ('failure' in line) throw asFailure(line.failure);
  }
  throw new Failure(
    'unreachable',
    'cloud-went-away',
    'The cloud ended the call without an answer; see its log',
  );
}

function post(folder: DataFolder, name: string, body: string): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const socketPath = folder.path('run', 'control.sock');
    const request = http.request({ socketPath, path: `/${name}`, method: 'POST' }, resolve);
    request.on('error', (error) => reject(unreachable(error, folder)));
    request.end(body);
  });
}

function unreachable(error: Error, folder: DataFolder): Failure {
  if (['ENOENT', 'ECONNREFUSED'].includes(systemCodeOf(error) ?? '')) {
    return new Failure(
      'missing',
      'not-running',
      `No cloud runs on ${folder.root}: start it with ./pileus up --data ${folder.root}`,
    );
  }
  return new Failure('unreachable', 'control-failed', 'The running cloud cannot be reached', {
    cause: error,
  });
}

function asFailure(described: unknown): Failure {
  const { kind, code, message } = described as { kind: FailureKind; code: string; message: string };
  return new Failure(kind, code, message);
}
