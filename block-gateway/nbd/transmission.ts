/**
 * The transmission phase of one connection: requests are parsed out of the socket's one receive buffer and, where the device can do so without
 * waiting, carried out and answered in the same turn. Nothing is concatenated; a payload that arrives in pieces is gathered once.
 */
import { Failure, isFailure, type Logger } from '#common';
import type { NbdAttachment, NbdDevice, StatusRun } from './exports.ts';
import {
  baseAllocationId,
  blockSizes,
  chunk,
  command,
  commandFlag,
  errorNumber,
  holeStatus,
  requestBytes,
  requestMagic,
} from './protocol.ts';
import {
  type Cookie,
  type IoBuffers,
  type ReplyWriter,
  writeChunkHeader,
  writeOffset,
} from './reply-writer.ts';

export interface TransmissionOptions {
  readonly attachment: NbdAttachment;
  /** The chosen contexts by their id, less one. */
  readonly contexts: readonly (string | undefined)[];
  readonly replies: ReplyWriter;
  readonly buffers: IoBuffers;
  readonly structured: boolean;
  readonly requestsMax: number;
  readonly bytesMax: number;
  readonly log: Logger;
  /** The client said goodbye and everything is answered. */
  readonly ended: () => void;
  /** There is room again after `receive` left something. */
  readonly resume: () => void;
}

interface Request extends Cookie {
  readonly flags: number;
  readonly type: number;
  readonly offset: number;
  readonly length: number;
}

interface Payload {
  readonly request: Request;
  /** Undefined when the request is refused already and its payload only skipped. */
  readonly target: Buffer | undefined;
  readonly error: number;
  filled: number;
}

const statusRunsMax = 4096;
/** From here on a read that finds everything in memory gets a reply buffer of its own. */
const structuredDataBytes = 28;
const simpleDataBytes = 16;

const knownFlags: Readonly<Record<number, number>> = {
  [command.read]: commandFlag.dontFragment | commandFlag.fua,
  [command.write]: commandFlag.fua,
  [command.disconnect]: 0xffff,
  [command.flush]: commandFlag.fua,
  [command.trim]: commandFlag.fua,
  [command.cache]: commandFlag.fua,
  [command.writeZeroes]: commandFlag.fua | commandFlag.noHole | commandFlag.fastZero,
  [command.blockStatus]: commandFlag.requestOne | commandFlag.fua,
};

export class Transmission {
  private readonly options: TransmissionOptions;
  private readonly device: NbdDevice;
  private readonly replies: ReplyWriter;
  private readonly header = Buffer.alloc(requestBytes);
  private headerFilled = 0;
  private payload: Payload | undefined;
  private inFlight = 0;
  private bytesInFlight = 0;
  private held = false;
  private leaving = false;

  constructor(options: TransmissionOptions) {
    this.options = options;
    this.device = options.attachment.device;
    this.replies = options.replies;
  }

  /** Takes what it can of `bytes`, which are valid during the call only; returns how many. Fewer: `resume` will be called. */
  receive(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length && !this.leaving) {
      if (this.full()) {
        this.held = true;
        break;
      }
      if (this.payload !== undefined) at += this.gather(this.payload, bytes, at);
      else if (this.headerFilled === 0 && bytes.length - at >= requestBytes) {
        const request = parseRequest(bytes, at);
        at += requestBytes;
        at += this.begin(request, bytes, at);
      } else at += this.gatherHeader(bytes, at);
    }
    return this.leaving ? bytes.length : at;
  }

  /** The socket has sent something. */
  noteSent(): void {
    this.wake();
  }

  private full(): boolean {
    const { requestsMax, bytesMax } = this.options;
    return (
      this.inFlight >= requestsMax || this.bytesInFlight + this.replies.unsentBytes >= bytesMax
    );
  }

  private gatherHeader(bytes: Buffer, at: number): number {
    const count = Math.min(requestBytes - this.headerFilled, bytes.length - at);
    bytes.copy(this.header, this.headerFilled, at, at + count);
    this.headerFilled += count;
    if (this.headerFilled < requestBytes) return count;
    this.headerFilled = 0;
    return count + this.begin(parseRequest(this.header, 0), bytes, at + count);
  }

  private gather(payload: Payload, bytes: Buffer, at: number): number {
    const { request, target } = payload;
    const count = Math.min(request.length - payload.filled, bytes.length - at);
    if (target !== undefined) bytes.copy(target, payload.filled, at, at + count);
    payload.filled += count;
    if (payload.filled < request.length) return count;
    this.payload = undefined;
    if (target === undefined) this.replies.simple(request, payload.error);
    else this.write(request, target, 0, true);
    return count;
  }

  /** Carries a request out; returns how many bytes of `bytes` its payload took. */
  private begin(request: Request, bytes: Buffer, at: number): number {
    const error = this.refusal(request);
    if (request.type === command.write) return this.beginWrite(request, error, bytes, at);
    if (error !== 0) this.refuse(request, error);
    else this.carryOut(request);
    return 0;
  }

  private beginWrite(request: Request, error: number, bytes: Buffer, at: number): number {
    // So long a payload is refused by hanging up: skipping it would be work that anybody could ask for.
    if (request.length > blockSizes.max) throw badRequest('write-too-long');
    if (error === 0 && bytes.length - at >= request.length) {
      this.write(request, bytes, at, false);
      return request.length;
    }
    const target = error === 0 ? this.options.buffers.take(request.length) : undefined;
    this.payload = { request, target, error, filled: 0 };
    return at < bytes.length || request.length === 0 ? this.gather(this.payload, bytes, at) : 0;
  }

  /** The error number for what can't be carried out; 0 when it can. */
  private refusal(request: Request): number {
    const { type, flags, offset, length } = request;
    const known = knownFlags[type];
    if (known === undefined || (flags & ~known) !== 0) return errorNumber.invalid;
    if (type === command.disconnect || type === command.flush) return 0;
    const writing = type === command.write || type === command.writeZeroes;
    const changing = writing || type === command.trim;
    if (changing && this.options.attachment.readOnly) return errorNumber.notPermitted;
    if (offset + length > this.device.sizeBytes)
      return writing ? errorNumber.noSpace : errorNumber.invalid;
    if (offset % blockSizes.min !== 0 || length % blockSizes.min !== 0) return errorNumber.invalid;
    if (type === command.read && length > blockSizes.max) return errorNumber.overflow;
    if (type !== command.blockStatus) return 0;
    const chosen =
      this.options.structured && this.options.contexts.some((one) => one !== undefined);
    return chosen && length > 0 ? 0 : errorNumber.invalid;
  }

  private carryOut(request: Request): void {
    const { type, offset, length } = request;
    switch (type) {
      case command.read:
        this.read(request);
        return;
      case command.disconnect:
        this.leaving = true;
        this.wake();
        return;
      case command.flush:
        this.later(request, 0, () => this.device.flush());
        return;
      case command.trim:
      case command.writeZeroes:
        this.zero(request);
        return;
      case command.cache:
        this.now(request, () => this.device.prefetch(offset, length));
        return;
      default:
        this.status(request);
    }
  }

  private read(request: Request): void {
    const { offset, length } = request;
    const { structured } = this.options;
    const head = structured ? structuredDataBytes : simpleDataBytes;
    try {
      if (structured && length > 0 && this.device.isHole(offset, length)) {
        this.replies.hole(request, offset, length);
        return;
      }
      const place = this.replies.reserve(head + length);
      if (place !== undefined) {
        if (this.device.readNow(offset, length, place.buffer, place.at + head)) {
          this.writeReadHead(request, place.buffer, place.at);
          this.replies.commit(head + length);
          return;
        }
      }
    } catch (error) {
      this.refuse(request, this.numberOf(error));
      return;
    }
    // When the read fails, other parts of it may still be written there: then it is left to the collector.
    const own = this.options.buffers.takeExactly(head + length);
    this.hold(length);
    this.device.read(offset, length, own, head).then(
      () => {
        this.writeReadHead(request, own, 0);
        this.replies.own(own);
        this.letGo(length);
      },
      (error: unknown) => {
        this.refuse(request, this.numberOf(error));
        this.letGo(length);
      },
    );
  }

  private writeReadHead(request: Request, target: Buffer, at: number): void {
    if (!this.options.structured) {
      target.writeUInt32BE(0x67446698, at);
      target.writeUInt32BE(0, at + 4);
      target.writeUInt32BE(request.high, at + 8);
      target.writeUInt32BE(request.low, at + 12);
      return;
    }
    writeChunkHeader(target, at, chunk.offsetData, request, request.length + 8);
    writeOffset(target, at + 20, request.offset);
  }

  /** `owned`: the source is a buffer of the pool, and ours until the device has taken what it holds. */
  private write(request: Request, source: Buffer, from: number, owned: boolean): void {
    const { offset, length, flags } = request;
    const { buffers } = this.options;
    const fua = (flags & commandFlag.fua) !== 0;
    try {
      if (this.device.writeNow(offset, source, from, length)) {
        if (owned) buffers.giveBack(source);
        if (fua) this.later(request, length, () => this.device.flush());
        else this.replies.simple(request, 0);
        return;
      }
    } catch (error) {
      this.refuse(request, this.numberOf(error));
      return;
    }
    // The receive buffer is used again before the device has room, so what lies there is copied.
    const kept = owned ? source : buffers.take(length);
    if (!owned) source.copy(kept, 0, from, from + length);
    this.later(request, length, async () => {
      await this.device.write(offset, kept, 0, length);
      buffers.giveBack(kept);
      if (fua) await this.device.flush();
    });
  }

  private zero(request: Request): void {
    const { offset, length, flags } = request;
    const fua = (flags & commandFlag.fua) !== 0;
    try {
      if (!fua && this.device.zeroNow(offset, length)) {
        this.replies.simple(request, 0);
        return;
      }
    } catch (error) {
      this.refuse(request, this.numberOf(error));
      return;
    }
    this.later(request, 0, async () => {
      await this.device.zero(offset, length);
      if (fua) await this.device.flush();
    });
  }

  private status(request: Request): void {
    const { contexts } = this.options;
    const last = contexts.findLastIndex((name) => name !== undefined);
    try {
      const told = contexts.map((name, index) =>
        name === undefined ? undefined : this.runsOf(request, name, index),
      );
      for (const [index, runs] of told.entries()) {
        if (runs === undefined) continue;
        const id = baseAllocationId + index;
        this.replies.blockStatus(request, { id, runs, done: index === last });
      }
    } catch (error) {
      this.refuse(request, this.numberOf(error));
    }
  }

  private runsOf(request: Request, context: string, index: number): readonly StatusRun[] {
    const { offset, length, flags } = request;
    const runsMax = (flags & commandFlag.requestOne) !== 0 ? 1 : statusRunsMax;
    if (index > 0) return this.options.attachment.status(context, offset, length, runsMax);
    const runs = this.device.allocation(offset, length, runsMax);
    return runs.map(({ bytes, hole }) => ({ bytes, flags: hole ? holeStatus : 0 }));
  }

  private now(request: Request, work: () => void): void {
    try {
      work();
      this.replies.simple(request, 0);
    } catch (error) {
      this.refuse(request, this.numberOf(error));
    }
  }

  /** Carries out what takes time, and answers then. */
  private later(request: Request, bytes: number, work: () => Promise<void>): void {
    this.hold(bytes);
    const answer = (error: number) => {
      this.replies.simple(request, error);
      this.letGo(bytes);
    };
    try {
      work().then(
        () => answer(0),
        (error: unknown) => answer(this.numberOf(error)),
      );
    } catch (error) {
      answer(this.numberOf(error));
    }
  }

  private refuse(request: Request, error: number): void {
    const needsChunk = request.type === command.read || request.type === command.blockStatus;
    if (this.options.structured && needsChunk) this.replies.structuredError(request, error);
    else this.replies.simple(request, error);
  }

  private hold(bytes: number): void {
    this.inFlight++;
    this.bytesInFlight += bytes;
  }

  private letGo(bytes: number): void {
    this.inFlight--;
    this.bytesInFlight -= bytes;
    this.wake();
  }

  private wake(): void {
    if (this.leaving && this.inFlight === 0) {
      this.replies.flush();
      this.options.ended();
      return;
    }
    if (!this.held || this.full()) return;
    this.held = false;
    this.options.resume();
  }

  private numberOf(error: unknown): number {
    if (!isFailure(error) || error.kind === 'bug') throw error;
    if (error.kind === 'invalid') return errorNumber.invalid;
    this.options.log.warn({ err: error }, 'an NBD request failed');
    if (error.kind === 'closed') return errorNumber.shutdown;
    return error.kind === 'denied' ? errorNumber.notPermitted : errorNumber.io;
  }
}

function parseRequest(bytes: Buffer, at: number): Request {
  if (bytes.readUInt32BE(at) !== requestMagic) throw badRequest('request-magic');
  return {
    flags: bytes.readUInt16BE(at + 4),
    type: bytes.readUInt16BE(at + 6),
    high: bytes.readUInt32BE(at + 8),
    low: bytes.readUInt32BE(at + 12),
    // Beyond 2^53 this is inexact, and far beyond the end of any volume either way.
    offset: bytes.readUInt32BE(at + 16) * 2 ** 32 + bytes.readUInt32BE(at + 20),
    length: bytes.readUInt32BE(at + 24),
  };
}

function badRequest(reason: string): Failure {
  return new Failure('invalid', 'nbd-request', 'The NBD client does not speak the protocol', {
    facts: { reason },
  });
}
