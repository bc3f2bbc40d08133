/** The fixed newstyle handshake: options one after another until the client names an export, or goes away. */
import { Failure, isFailure } from '#common';
import type { NbdAttachment, NbdExports } from './exports.ts';
import type { HandshakeInput } from './input.ts';
import {
  baseAllocation,
  baseAllocationId,
  blockSizes,
  exportNameBytesMax,
  handshakeFlag,
  info,
  initMagic,
  option,
  optionMagic,
  optionReply,
  optionReplyMagic,
  transmissionFlags,
} from './protocol.ts';

export interface Negotiated {
  readonly attachment: NbdAttachment;
  readonly structured: boolean;
  readonly allocationContext: boolean;
}

export interface HandshakeOptions {
  readonly input: HandshakeInput;
  readonly send: (bytes: Buffer) => void;
  readonly exports: NbdExports;
}

const optionBytesMax = 64 * 1024;
const optionsMax = 256;
/** What may lie unread: one option, and the first requests of a client that doesn't wait. */
export const handshakeBytesMax = 256 * 1024;

interface Session {
  structured: boolean;
  /** The export for which `base:allocation` was chosen. */
  allocationOf: string | undefined;
  noZeroes: boolean;
}

/** Undefined when the client is done without an export. */
export async function negotiate(options: HandshakeOptions): Promise<Negotiated | undefined> {
  const { input, send } = options;
  const greeting = Buffer.alloc(18);
  initMagic.copy(greeting, 0);
  optionMagic.copy(greeting, 8);
  greeting.writeUInt16BE(handshakeFlag.fixedNewstyle | handshakeFlag.noZeroes, 16);
  send(greeting);
  const flags = (await input.take(4)).readUInt32BE(0);
  if ((flags & ~3) !== 0) throw badHandshake('client-flags');
  const noZeroes = (flags & handshakeFlag.noZeroes) !== 0;
  const session: Session = { structured: false, allocationOf: undefined, noZeroes };
  for (let count = 0; count < optionsMax; count++) {
    const header = await input.take(16);
    if (!header.subarray(0, 8).equals(optionMagic)) throw badHandshake('option-magic');
    const code = header.readUInt32BE(8);
    const length = header.readUInt32BE(12);
    if (length > optionBytesMax) {
      send(reply(code, optionReply.tooBig));
      throw badHandshake('option-too-big');
    }
    const data = await input.take(length);
    if (code === option.abort) {
      send(reply(code, optionReply.ack));
      return undefined;
    }
    const done = await answer(options, session, code, data);
    if (done !== undefined) return done;
  }
  throw badHandshake('too-many-options');
}

async function answer(
  options: HandshakeOptions,
  session: Session,
  code: number,
  data: Buffer,
): Promise<Negotiated | undefined> {
  const { send, exports } = options;
  switch (code) {
    case option.exportName:
      return exportName(options, session, data);
    case option.go:
    case option.info:
      return infoOrGo(options, session, code, data);
    case option.list:
      await listExports(send, exports, data);
      return undefined;
    case option.structuredReply:
      if (data.length === 0) session.structured = true;
      send(reply(code, data.length === 0 ? optionReply.ack : optionReply.invalid));
      return undefined;
    case option.listMetaContext:
    case option.setMetaContext:
      await metaContext(options, session, code, data);
      return undefined;
    default:
      send(reply(code, optionReply.unsupported));
      return undefined;
  }
}

/** The oldest way to name an export: there is no error reply, so who names a wrong one is cut off. */
async function exportName(
  options: HandshakeOptions,
  session: Session,
  data: Buffer,
): Promise<Negotiated> {
  if (data.length > exportNameBytesMax) throw badHandshake('export-name-too-long');
  const name = data.toString('utf8');
  const attachment = await options.exports.attach(name);
  const answer = Buffer.alloc(session.noZeroes ? 10 : 134);
  writeExport(answer, 0, attachment.device.sizeBytes);
  options.send(answer);
  return negotiated(session, attachment, name);
}

async function infoOrGo(
  options: HandshakeOptions,
  session: Session,
  code: number,
  data: Buffer,
): Promise<Negotiated | undefined> {
  const { send, exports } = options;
  const wanted = parseInfoRequest(data);
  if (wanted === undefined) {
    send(reply(code, optionReply.invalid));
    return undefined;
  }
  const { name } = wanted;
  if (code === option.info) {
    const sizeBytes = await exports.sizeOf(name);
    if (sizeBytes === undefined) send(reply(code, optionReply.unknown));
    else sendInfo(send, code, name, sizeBytes, wanted.requests);
    return undefined;
  }
  try {
    const attachment = await exports.attach(name);
    sendInfo(send, code, name, attachment.device.sizeBytes, wanted.requests);
    return negotiated(session, attachment, name);
  } catch (error) {
    if (!isFailure(error) || error.kind === 'bug') throw error;
    send(reply(code, refusalOf(error)));
    return undefined;
  }
}

function refusalOf(failure: Failure): number {
  if (failure.kind === 'missing') return optionReply.unknown;
  return failure.kind === 'closed' ? optionReply.shutdown : optionReply.policy;
}

function negotiated(session: Session, attachment: NbdAttachment, name: string): Negotiated {
  const allocationContext = session.structured && session.allocationOf === name;
  return { attachment, structured: session.structured, allocationContext };
}

function parseInfoRequest(
  data: Buffer,
): { readonly name: string; readonly requests: readonly number[] } | undefined {
  if (data.length < 6) return undefined;
  const nameLength = data.readUInt32BE(0);
  if (nameLength > exportNameBytesMax || data.length < nameLength + 6) return undefined;
  const count = data.readUInt16BE(4 + nameLength);
  if (data.length !== nameLength + 6 + count * 2) return undefined;
  const requests: number[] = [];
  for (let at = 0; at < count; at++) requests.push(data.readUInt16BE(nameLength + 6 + at * 2));
  return { name: data.toString('utf8', 4, 4 + nameLength), requests };
}

function sendInfo(
  send: (bytes: Buffer) => void,
  code: number,
  name: string,
  sizeBytes: number,
  requests: readonly number[],
): void {
  const exported = Buffer.alloc(12);
  exported.writeUInt16BE(info.export, 0);
  writeExport(exported, 2, sizeBytes);
  send(reply(code, optionReply.info, exported));
  if (requests.includes(info.name)) {
    const kind = Buffer.alloc(2);
    kind.writeUInt16BE(info.name, 0);
    send(reply(code, optionReply.info, Buffer.concat([kind, Buffer.from(name)])));
  }
  const sizes = Buffer.alloc(14);
  sizes.writeUInt16BE(info.blockSize, 0);
  sizes.writeUInt32BE(blockSizes.min, 2);
  sizes.writeUInt32BE(blockSizes.preferred, 6);
  sizes.writeUInt32BE(blockSizes.max, 10);
  send(reply(code, optionReply.info, sizes));
  send(reply(code, optionReply.ack));
}

async function listExports(
  send: (bytes: Buffer) => void,
  exports: NbdExports,
  data: Buffer,
): Promise<void> {
  const listing = data.length === 0 ? exports.list() : undefined;
  if (listing === undefined) {
    send(reply(option.list, data.length === 0 ? optionReply.policy : optionReply.invalid));
    return;
  }
  for (const name of await listing) {
    const bytes = Buffer.from(name);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length, 0);
    send(reply(option.list, optionReply.server, Buffer.concat([length, bytes])));
  }
  send(reply(option.list, optionReply.ack));
}

async function metaContext(
  options: HandshakeOptions,
  session: Session,
  code: number,
  data: Buffer,
): Promise<void> {
  const { send, exports } = options;
  const wanted = session.structured ? parseMetaRequest(data) : undefined;
  if (wanted === undefined) {
    send(reply(code, optionReply.invalid));
    return;
  }
  if ((await exports.sizeOf(wanted.name)) === undefined) {
    send(reply(code, optionReply.unknown));
    return;
  }
  const setting = code === option.setMetaContext;
  const all = !setting && (wanted.queries.length === 0 || wanted.queries.includes('base:'));
  const chosen = all || wanted.queries.includes(baseAllocation);
  if (setting) session.allocationOf = chosen ? wanted.name : undefined;
  if (chosen) {
    const id = Buffer.alloc(4);
    // In a list the id has no meaning.
    id.writeUInt32BE(setting ? baseAllocationId : 0, 0);
    send(reply(code, optionReply.metaContext, Buffer.concat([id, Buffer.from(baseAllocation)])));
  }
  send(reply(code, optionReply.ack));
}

function parseMetaRequest(
  data: Buffer,
): { readonly name: string; readonly queries: readonly string[] } | undefined {
  if (data.length < 8) return undefined;
  const nameLength = data.readUInt32BE(0);
  if (nameLength > exportNameBytesMax || data.length < nameLength + 8) return undefined;
  const name = data.toString('utf8', 4, 4 + nameLength);
  const count = data.readUInt32BE(4 + nameLength);
  const queries: string[] = [];
  let at = nameLength + 8;
  for (let index = 0; index < count; index++) {
    if (at + 4 > data.length) return undefined;
    const length = data.readUInt32BE(at);
    if (length > exportNameBytesMax || at + 4 + length > data.length) return undefined;
    queries.push(data.toString('utf8', at + 4, at + 4 + length));
    at += 4 + length;
  }
  return at === data.length ? { name, queries } : undefined;
}

function writeExport(target: Buffer, at: number, sizeBytes: number): void {
  target.writeBigUInt64BE(BigInt(sizeBytes), at);
  target.writeUInt16BE(transmissionFlags, at + 8);
}

function reply(code: number, type: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(20);
  optionReplyMagic.copy(header, 0);
  header.writeUInt32BE(code, 8);
  header.writeUInt32BE(type, 12);
  header.writeUInt32BE(data.length, 16);
  return Buffer.concat([header, data]);
}

function badHandshake(reason: string): Failure {
  return new Failure('invalid', 'nbd-handshake', 'The NBD handshake is not valid', {
    facts: { reason },
  });
}
