/** The fixed newstyle handshake: options one after another until the client names an export, or goes away. */
import { Failure, isFailure } from '#common';
import type { NbdAttachment, NbdClient, NbdExports } from './exports.ts';
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
  readOnlyFlags,
  transmissionFlags,
} from './protocol.ts';

export interface Negotiated {
  readonly attachment: NbdAttachment;
  readonly structured: boolean;
  /** The chosen contexts; the id of each is one more than its place. Empty places were not chosen. */
  readonly contexts: readonly (string | undefined)[];
}

export interface HandshakeOptions {
  readonly input: HandshakeInput;
  readonly send: (bytes: Buffer) => void;
  readonly exports: NbdExports;
  readonly client: NbdClient;
  /** Nothing but TLS is to be talked about first. */
  readonly tlsNeeded: boolean;
  /** TLS is worth nothing without a client certificate or a pre-shared key. */
  readonly proofNeeded: boolean;
  /** Turns the stream into a TLS stream; absent when that is not offered. */
  readonly secure?: () => Promise<Pick<NbdClient, 'tls' | 'identity' | 'subject'>>;
  readonly cut: () => void;
}

const optionBytesMax = 64 * 1024;
const optionsMax = 256;
/** What may lie unread: one option, and the first requests of a client that doesn't wait. */
export const handshakeBytesMax = 256 * 1024;

interface Session {
  client: NbdClient;
  structured: boolean;
  /** The contexts that were chosen, and the export for which. */
  contexts: { readonly name: string; readonly chosen: readonly (string | undefined)[] } | undefined;
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
  const { client } = options;
  const session: Session = { client, structured: false, contexts: undefined, noZeroes };
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
  if (code === option.startTls) {
    await startTls(options, session, data);
    return undefined;
  }
  if (options.tlsNeeded && !session.client.tls) {
    if (code === option.exportName) throw badHandshake('tls-required');
    send(reply(code, optionReply.tlsRequired));
    return undefined;
  }
  switch (code) {
    case option.exportName:
      return exportName(options, session, data);
    case option.go:
    case option.info:
      return infoOrGo(options, session, code, data);
    case option.list:
      await listExports(send, exports, session.client, data);
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

async function startTls(options: HandshakeOptions, session: Session, data: Buffer): Promise<void> {
  const { send, secure, input } = options;
  if (session.client.tls || data.length > 0) {
    send(reply(option.startTls, optionReply.invalid));
    return;
  }
  if (secure === undefined) {
    send(reply(option.startTls, optionReply.unsupported));
    return;
  }
  // Whatever came with the request came in the clear, and may not be taken for what comes protected (cf. CVE-2021-3716).
  if (input.rest().length > 0) throw badHandshake('bytes-before-tls');
  send(reply(option.startTls, optionReply.ack));
  const known = await secure();
  if (options.proofNeeded && known.identity === undefined && known.subject === undefined)
    throw badHandshake('no-client-proof');
  // What was agreed in the clear is forgotten.
  session.client = { ...session.client, ...known };
  session.structured = false;
  session.contexts = undefined;
}

/** The oldest way to name an export: there is no error reply, so who names a wrong one is cut off. */
async function exportName(
  options: HandshakeOptions,
  session: Session,
  data: Buffer,
): Promise<Negotiated> {
  if (data.length > exportNameBytesMax) throw badHandshake('export-name-too-long');
  const name = data.toString('utf8');
  const done = await attach(options, session, name);
  const { attachment } = done;
  const answer = Buffer.alloc(session.noZeroes ? 10 : 134);
  writeExport(answer, 0, attachment.device.sizeBytes, attachment.readOnly);
  options.send(answer);
  return done;
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
    const found = await exports.find(name, session.client);
    if (found === undefined) send(reply(code, optionReply.unknown));
    else sendInfo(send, code, { name, ...found, requests: wanted.requests });
    return undefined;
  }
  try {
    const done = await attach(options, session, name);
    const { device, readOnly } = done.attachment;
    const { requests } = wanted;
    sendInfo(send, code, { name, sizeBytes: device.sizeBytes, readOnly, requests });
    return done;
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

async function attach(
  options: HandshakeOptions,
  session: Session,
  name: string,
): Promise<Negotiated> {
  const { structured, client } = session;
  const mine = structured && session.contexts?.name === name ? session.contexts.chosen : [];
  const contexts = mine.slice(1).filter((one) => one !== undefined);
  const { cut, exports } = options;
  const attachment = await exports.attach(name, { client, contexts, cut });
  return { attachment, structured, contexts: mine };
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
  told: {
    readonly name: string;
    readonly sizeBytes: number;
    readonly readOnly: boolean;
    readonly requests: readonly number[];
  },
): void {
  const { name, sizeBytes, readOnly, requests } = told;
  const exported = Buffer.alloc(12);
  exported.writeUInt16BE(info.export, 0);
  writeExport(exported, 2, sizeBytes, readOnly);
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
  client: NbdClient,
  data: Buffer,
): Promise<void> {
  const listing = data.length === 0 ? exports.list(client) : undefined;
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
  const found = await exports.find(wanted.name, session.client);
  if (found === undefined) {
    send(reply(code, optionReply.unknown));
    return;
  }
  const setting = code === option.setMetaContext;
  const known = [baseAllocation, ...found.contexts];
  const everything = !setting && wanted.queries.length === 0;
  const chosen = known.map((name) =>
    everything || wanted.queries.some((query) => matches(query, name, setting)) ? name : undefined,
  );
  if (setting) session.contexts = { name: wanted.name, chosen };
  for (const [index, name] of chosen.entries()) {
    if (name === undefined) continue;
    const id = Buffer.alloc(4);
    // In a list the id has no meaning.
    id.writeUInt32BE(setting ? baseAllocationId + index : 0, 0);
    send(reply(code, optionReply.metaContext, Buffer.concat([id, Buffer.from(name)])));
  }
  send(reply(code, optionReply.ack));
}

/** When listing, `base:` and `qemu:` stand for all of their kind. */
function matches(query: string, name: string, setting: boolean): boolean {
  if (query === name) return true;
  return !setting && query.endsWith(':') && name.startsWith(query);
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

function writeExport(target: Buffer, at: number, sizeBytes: number, readOnly: boolean): void {
  target.writeBigUInt64BE(BigInt(sizeBytes), at);
  target.writeUInt16BE(readOnly ? readOnlyFlags : transmissionFlags, at + 8);
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
