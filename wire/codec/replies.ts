/** Greetings, failures and the replies that fit several requests. */
import { Failure, type FailureKind, messageOf } from '#common';
import type { AcceptOutcome, PrepareOutcome, Row, RowKey } from '../device-service.ts';
import { noVersion, type Version } from '../versions.ts';
import { badMessage, type Decoder } from './decoder.ts';
import type { Encoder } from './encoder.ts';
import { frameKind } from './frames.ts';
import { readKey, readRow, readVersionField, writeRow, writeVersionField } from './messages.ts';

export interface Greeting {
  readonly protocol: number;
  readonly cluster: string;
  /** Hello: who calls. Welcome: empty. */
  readonly client: string;
  /** Welcome: the devices that are served. Hello: none. */
  readonly devices: readonly number[];
  /** Reserved: the epoch of the sender's ring, 0 while unknown. */
  readonly ringEpoch: number;
}

export function writeHello(to: Encoder, greeting: Greeting): void {
  const start = to.begin(frameKind.hello);
  to.uint(1, greeting.protocol);
  to.string(2, greeting.cluster);
  to.string(3, greeting.client);
  to.uint(4, greeting.ringEpoch);
  to.end(start);
}

export function writeWelcome(to: Encoder, greeting: Greeting): void {
  const start = to.begin(frameKind.welcome);
  to.uint(1, greeting.protocol);
  to.string(2, greeting.cluster);
  // A list of packed numbers would need a nested length as well; devices are few.
  for (const device of greeting.devices) to.element(3, device);
  to.uint(4, greeting.ringEpoch);
  to.end(start);
}

const devicesMax = 65_536;

export function readGreeting(kind: number, from: Decoder): Greeting {
  let protocol = 0;
  let cluster = '';
  let client = '';
  const devices: number[] = [];
  let ringEpoch = 0;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) protocol = from.uint32();
    else if (field === 2) cluster = from.string();
    else if (field === 3 && kind === frameKind.hello) client = from.string();
    else if (field === 3) {
      if (devices.length >= devicesMax) throw badMessage('too many devices');
      devices.push(...from.uints());
    } else if (field === 4) ringEpoch = from.uint();
    else from.skip();
  }
  return { protocol, cluster, client, devices, ringEpoch };
}

export function writeFailed(to: Encoder, error: unknown): void {
  const start = to.begin(frameKind.failed);
  if (error instanceof Failure) {
    to.string(1, error.kind);
    to.string(2, error.code);
    to.string(3, error.message.toWellFormed().slice(0, messageLengthMax));
  } else {
    to.string(1, 'bug');
    to.string(2, 'device-bug');
    to.string(3, messageOf(error).toWellFormed().slice(0, messageLengthMax));
  }
  to.end(start);
}

const messageLengthMax = 2000;

const kinds: readonly FailureKind[] = [
  'invalid',
  'denied',
  'missing',
  'conflict',
  'busy',
  'unreachable',
  'corrupt',
  'closed',
  'bug',
];

export function readFailed(from: Decoder): Failure {
  let kind: FailureKind = 'bug';
  let code = 'unknown';
  let message = '';
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) {
      const word = from.string();
      kind = kinds.find((known) => known === word) ?? 'bug';
    } else if (field === 2) code = from.string();
    else if (field === 3) message = from.string();
    else from.skip();
  }
  return new Failure(kind, code, message);
}

export function writeReadRow(to: Encoder, write: () => void, body: boolean): void {
  const start = to.begin(frameKind.readRow);
  write();
  to.bool(2, body);
  to.end(start);
}

export function readReadRow(from: Decoder): { readonly key: RowKey; readonly body: boolean } {
  let key: RowKey | undefined;
  let body = false;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) key = readKey(from.message());
    else if (field === 2) body = from.bool();
    else from.skip();
  }
  if (key === undefined) throw badMessage('a read without key');
  return { key, body };
}

export function readPrepare(from: Decoder): { readonly key: RowKey; readonly ballot: Version } {
  let key: RowKey | undefined;
  let ballot = noVersion;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) key = readKey(from.message());
    else if (field === 2) ballot = readVersionField(from.message());
    else from.skip();
  }
  if (key === undefined) throw badMessage('a prepare without key');
  return { key, ballot };
}

/** `row`, `accepted` and `prepared` share a layout: a row, and what superseded the request. */
export function writeRowReply(
  to: Encoder,
  kind: number,
  row: Row | undefined,
  supersededBy?: Version,
): void {
  const start = to.begin(kind);
  if (row !== undefined) writeRow(to, 1, row);
  if (supersededBy !== undefined) writeVersionField(to, 2, supersededBy);
  to.end(start);
}

interface RowReply {
  readonly row: Row | undefined;
  readonly supersededBy: Version | undefined;
}

export function readRowReply(from: Decoder): RowReply {
  let row: Row | undefined;
  let supersededBy: Version | undefined;
  for (let field = from.field(); field !== 0; field = from.field()) {
    if (field === 1) row = readRow(from.message());
    else if (field === 2) supersededBy = readVersionField(from.message());
    else from.skip();
  }
  return { row, supersededBy };
}

export function acceptOutcome(reply: RowReply): AcceptOutcome {
  if (reply.supersededBy !== undefined) return { outcome: 'superseded', by: reply.supersededBy };
  return { outcome: 'ok', previous: reply.row };
}

export function prepareOutcome(reply: RowReply): PrepareOutcome {
  if (reply.supersededBy !== undefined) return { outcome: 'superseded', by: reply.supersededBy };
  return { outcome: 'promised', row: reply.row };
}
