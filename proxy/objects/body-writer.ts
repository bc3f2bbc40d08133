/**
 * Takes a body in, once, as it comes:
 * 1. a body within the inline limit is gathered and goes into the row;
 * 2. a larger one is cut into blobs; what has arrived is sent on in batches of `bodyBufferBytes`, and the body is not
 *    read further until a majority of replicas can take more;
 * 3. while a full blob is being committed the next one is opened and filled; never more than two are unfinished;
 * 4. the MD5 is computed on the way. Nothing is visible: that is the row's doing.
 *
 * Invariant: whatever goes wrong, every blob begun here is aborted, or handed to `discard`.
 */
import { Buffer } from 'node:buffer';
import { createHash, type Hash, hash } from 'node:crypto';
import type { BlobRef, Blobs, ClusterBlobWriter, Code, Release } from '#cluster';
import { type Clock, giveBack } from '#common';
import type { ProxySettings } from '../settings.ts';
import { codeForLength } from './coding-policies.ts';
import { objectFailure } from './failures.ts';
import type { BodyBlob } from './rows/object-row.ts';

export interface StoredBody {
  readonly size: number;
  /** Hex. */
  readonly md5: string;
  /** Empty when the body is in `inline`. */
  readonly blobs: readonly BodyBlob[];
  readonly inline: Buffer;
}

export interface BodyRequest {
  readonly body: Buffer | AsyncIterable<Buffer>;
  readonly length?: number;
  readonly expectedMd5?: string;
  /** Kept in fragments, where it is not too small for that. */
  readonly code?: Code | undefined;
}

export type BodySettings = Pick<
  ProxySettings,
  'inlineBytesMax' | 'bodyDurationMsMax' | 'blobBytesMax' | 'bodyBufferBytes' | 'objectBytesMax'
>;

export const noBody = Buffer.alloc(0);

/** `discard` is given blobs that were stored and will not be referred to. */
export async function storeBody(
  { blobs, clock }: { readonly blobs: Blobs; readonly clock: Clock },
  settings: BodySettings,
  request: BodyRequest,
  discard: (blobs: readonly BodyBlob[]) => void,
): Promise<StoredBody> {
  if ((request.length ?? 0) > settings.objectBytesMax) throw tooLarge(settings);
  const writer = new BodyWriter(blobs, settings, request);
  const tookMs = stopwatch(clock);
  try {
    if (Buffer.isBuffer(request.body)) await writer.write(request.body);
    else for await (const chunk of request.body) if (chunk.length > 0) await writer.write(chunk);
    const stored = await writer.finish();
    checkBody(request, stored);
    // Invariant: no row comes to refer to blobs that reclaim may already hold for garbage.
    if (tookMs() > settings.bodyDurationMsMax) throw tooSlow(settings);
    return stored;
  } catch (error) {
    discard(await writer.abandon());
    throw error;
  }
}

function checkBody(request: BodyRequest, stored: StoredBody): void {
  if (request.length !== undefined && stored.size < request.length) {
    const facts = { expected: request.length, got: stored.size };
    throw objectFailure('body-too-short', 'The body ended early', { facts });
  }
  if (request.expectedMd5 !== undefined && request.expectedMd5.toLowerCase() !== stored.md5) {
    const facts = { expected: request.expectedMd5, got: stored.md5 };
    throw objectFailure('md5-mismatch', 'The body has another MD5 than was said', { facts });
  }
}

/** By the clock that goes further: the one that only rises stands still in a machine that is suspended, the other may be set back. */
export function stopwatch(clock: Clock): () => number {
  const [fromMs, fromUs] = [clock.monotonicMs(), clock.nowUs()];
  return () => Math.max(clock.monotonicMs() - fromMs, (clock.nowUs() - fromUs) / 1000);
}

export function tooSlow({ bodyDurationMsMax }: Pick<BodySettings, 'bodyDurationMsMax'>): Error {
  const facts = { bodyDurationMsMax };
  return objectFailure('body-timeout', 'The body took too long to arrive', { facts });
}

function tooLarge(settings: BodySettings): Error {
  const facts = { max: settings.objectBytesMax };
  return objectFailure('body-too-large', 'The body is larger than one request may bring', {
    facts,
  });
}

class BodyWriter {
  private readonly blobs: Blobs;
  private readonly settings: BodySettings;
  private readonly length: number | undefined;
  private readonly code: Code | undefined;
  private size = 0;
  private md5: Hash | undefined;
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private open: ClusterBlobWriter | undefined;
  private openBytes = 0;
  private committing: Promise<BlobRef> | undefined;
  private readonly done: BodyBlob[] = [];

  constructor(
    blobs: Blobs,
    settings: BodySettings,
    { length, code }: Pick<BodyRequest, 'length' | 'code'>,
  ) {
    this.blobs = blobs;
    this.settings = settings;
    this.length = length;
    this.code = code;
  }

  async write(chunk: Buffer): Promise<void> {
    this.size += chunk.length;
    if (this.size > this.settings.objectBytesMax) throw tooLarge(this.settings);
    if (this.length !== undefined && this.size > this.length) {
      const facts = { expected: this.length };
      throw objectFailure('body-too-long', 'The body goes on past its length', { facts });
    }
    this.pending.push(chunk);
    this.pendingBytes += chunk.length;
    if (this.pendingBytes >= this.settings.bodyBufferBytes && this.pendingBytes !== this.length)
      await this.flush();
  }

  async finish(): Promise<StoredBody> {
    // Small enough to be one message: one hash call and one quorum write, no stream.
    if (this.md5 === undefined) return await this.finishWhole();
    await this.flush();
    await this.commitOpen();
    await this.settleCommit();
    return { size: this.size, md5: this.md5.digest('hex'), blobs: this.done, inline: noBody };
  }

  /** Takes everything back; returns the blobs that are stored already. */
  async abandon(): Promise<readonly BodyBlob[]> {
    await this.open?.abort();
    this.open = undefined;
    if (this.committing !== undefined) {
      // A commit that failed left nothing that can be named; one that succeeded is discarded with the others.
      const [outcome] = await Promise.allSettled([this.committing]);
      if (outcome.status === 'fulfilled') this.done.push(outcome.value);
    }
    return this.done;
  }

  private async finishWhole(): Promise<StoredBody> {
    const { pending, size } = this;
    const single = pending.length === 1 ? pending[0] : undefined;
    const inRow = size <= this.settings.inlineBytesMax;
    const whole =
      single ?? (inRow || pending.length === 0 ? Buffer.concat(pending, size) : undefined);
    const md5 = whole === undefined ? hashChunks(pending) : hash('md5', whole, 'hex');
    if (size === 0) return { size, md5, blobs: [], inline: noBody };
    if (inRow && whole !== undefined) return { size, md5, blobs: [], inline: whole };
    const onReleased = (how: Release) => {
      if (how === 'free') giveBackAll(pending);
    };
    const code = codeForLength(this.code, size);
    const ref = await this.blobs.put(pending, { onReleased, code });
    this.done.push({ id: ref.id, length: ref.length });
    return { size, md5, blobs: this.done, inline: noBody };
  }

  private async flush(): Promise<void> {
    let chunks = this.pending;
    let bytes = this.pendingBytes;
    this.pending = [];
    this.pendingBytes = 0;
    this.md5 ??= createHash('md5');
    for (const chunk of chunks) this.md5.update(chunk);
    while (bytes > 0) {
      const room = this.settings.blobBytesMax - this.openBytes;
      const [now, later] = bytes <= room ? [chunks, []] : splitAt(chunks, room);
      const taken = Math.min(bytes, room);
      const writer = await this.openWriter(bytes);
      this.openBytes += taken;
      await writer.append(now, () => giveBackAll(now));
      if (this.openBytes === this.settings.blobBytesMax) await this.commitOpen();
      chunks = later;
      bytes -= taken;
    }
  }

  private async openWriter(atLeast: number): Promise<ClusterBlobWriter> {
    if (this.open !== undefined) return this.open;
    const before = this.done.length * this.settings.blobBytesMax;
    const committing = this.committing === undefined ? 0 : this.settings.blobBytesMax;
    const left = this.length === undefined ? atLeast : this.length - before - committing;
    const lengthHint = Math.min(this.settings.blobBytesMax, Math.max(left, atLeast));
    const code = codeForLength(this.code, lengthHint);
    this.open = await this.blobs.open({
      code,
      ...(this.length === undefined ? {} : { lengthHint }),
    });
    return this.open;
  }

  private async commitOpen(): Promise<void> {
    if (this.open === undefined) return;
    await this.settleCommit();
    const commit = this.open.commit();
    // Its failure is met in `settleCommit` or `abandon`; until then nobody awaits it.
    commit.catch(() => undefined);
    this.committing = commit;
    this.open = undefined;
    this.openBytes = 0;
  }

  private async settleCommit(): Promise<void> {
    if (this.committing === undefined) return;
    const ref = await this.committing;
    this.committing = undefined;
    this.done.push({ id: ref.id, length: ref.length });
  }
}

/** What came from a socket is let go as soon as it is stored; parts of it (`splitAt`) are left to the garbage collector. */
function giveBackAll(chunks: readonly Buffer[]): void {
  for (const chunk of chunks) giveBack(chunk);
}

function hashChunks(chunks: readonly Buffer[]): string {
  const md5 = createHash('md5');
  for (const chunk of chunks) md5.update(chunk);
  return md5.digest('hex');
}

function splitAt(chunks: readonly Buffer[], bytes: number): [Buffer[], Buffer[]] {
  const before: Buffer[] = [];
  const after: Buffer[] = [];
  let left = bytes;
  for (const chunk of chunks) {
    if (left > 0) before.push(chunk.subarray(0, left));
    if (chunk.length > left) after.push(chunk.subarray(Math.max(0, left)));
    left -= chunk.length;
  }
  return [before, after];
}
