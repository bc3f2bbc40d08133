/** The cloud's end of the control socket. */
import * as fs from 'node:fs';
import * as http from 'node:http';
import { Failure, isFailure, type Logger, messageOf, systemNet } from '#common';
import type { ControlHandler, ControlLine } from './protocol.ts';

const requestBytesMax = 64 * 1024;

export interface ControlServer {
  close(): Promise<void>;
}

export async function serveControl(
  path: string,
  handlers: Readonly<Record<string, ControlHandler>>,
  log: Logger,
): Promise<ControlServer> {
  const server = http.createServer((request, response) => {
    answer(request, response, handlers, log).catch((error) => {
      log.error({ err: error }, 'control call ended badly');
      response.destroy();
    });
  });
  fs.rmSync(path, { force: true });
  await systemNet.listen(server, { path });
  fs.chmodSync(path, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

async function answer(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  handlers: Readonly<Record<string, ControlHandler>>,
  log: Logger,
): Promise<void> {
  const say = (line: ControlLine) => response.write(`${JSON.stringify(line)}\n`);
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  try {
    const name = (request.url ?? '').slice(1);
    const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
    if (handler === undefined)
      throw new Failure('missing', 'no-such-call', `There is no call ${name}`);
    const args = await readArguments(request);
    say({ result: (await handler(args, (progress) => say({ progress }))) ?? null });
  } catch (error) {
    if (!isFailure(error)) log.error({ err: error }, 'control call failed');
    say({ failure: describe(error) });
  }
  response.end();
}

function describe(error: unknown): Extract<ControlLine, { failure: unknown }>['failure'] {
  if (isFailure(error)) {
    return { kind: error.kind, code: error.code, message: error.message, facts: error.facts };
  }
  return { kind: 'bug', code: 'unexpected', message: messageOf(error), facts: {} };
}

async function readArguments(request: http.IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > requestBytesMax)
      throw new Failure('invalid', 'request-too-large', 'The request is too large');
    chunks.push(chunk);
  }
  const parsed: unknown = size === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString('utf8'));
  if (typeof parsed !== 'object' || parsed === null)
    throw new Failure('invalid', 'bad-request', 'Expected an object');
  return { ...parsed };
}
