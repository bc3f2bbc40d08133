/** Blobs and fences in memory. */
import { compareUtf8 } from '#common';
import {
  type BlobInfo,
  type BlobKey,
  type BlobWriteOptions,
  type BlobWriter,
  blobBytesMax,
  type Fence,
} from '#wire';
import { badRequest, blobCorrupt, blobExists, blobMissing, fenced } from '../failures.ts';

interface StoredBlob {
  readonly key: BlobKey;
  readonly content: Buffer;
  corrupt: boolean;
}

export class MemoryBlobs {
  private readonly blobs = new Map<string, StoredBlob>();
  private readonly fences = new Map<string, number>();
  bytes = 0;

  get count(): number {
    return this.blobs.size;
  }

  get quarantined(): number {
    return [...this.blobs.values()].filter((blob) => blob.corrupt).length;
  }

  /** The epoch in force, 0 for none. */
  fenceOf(scope: string): number {
    return this.fences.get(scope) ?? 0;
  }

  raiseFence(scope: string, epoch: number): number {
    const inForce = Math.max(epoch, this.fences.get(scope) ?? 0);
    this.fences.set(scope, inForce);
    return inForce;
  }

  checkFence(options: BlobWriteOptions): void {
    if (options.fence === undefined) return;
    const inForce = this.fences.get(options.fence.scope) ?? 0;
    if (options.fence.epoch < inForce) throw fenced(options.fence, inForce);
  }

  put(key: BlobKey, content: Buffer, options: BlobWriteOptions): void {
    this.checkFence(options);
    const there = this.blobs.get(key.id);
    if (there !== undefined && !there.corrupt) {
      if (!there.content.equals(content)) throw blobExists(key);
      return;
    }
    this.bytes += content.length - (there?.content.length ?? 0);
    this.blobs.set(key.id, { key, content, corrupt: false });
  }

  get(key: BlobKey): Buffer {
    const there = this.blobs.get(key.id);
    if (there === undefined) throw blobMissing(key);
    if (there.corrupt) throw blobCorrupt(key, 'damaged');
    return there.content;
  }

  stat(key: BlobKey): BlobInfo | undefined {
    const there = this.blobs.get(key.id);
    return there === undefined ? undefined : infoOf(there);
  }

  delete(key: BlobKey): void {
    this.bytes -= this.blobs.get(key.id)?.content.length ?? 0;
    this.blobs.delete(key.id);
  }

  good(): BlobKey[] {
    return [...this.blobs.values()].filter(({ corrupt }) => !corrupt).map(({ key }) => key);
  }

  bad(): BlobKey[] {
    return [...this.blobs.values()].filter(({ corrupt }) => corrupt).map(({ key }) => key);
  }

  listFences(after: string | undefined, limit: number): Fence[] {
    return [...this.fences]
      .map(([scope, epoch]) => ({ scope, epoch }))
      .filter(({ scope }) => after === undefined || compareUtf8(scope, after) > 0)
      .sort((a, b) => compareUtf8(a.scope, b.scope))
      .slice(0, limit);
  }

  damage(key: BlobKey): void {
    const there = this.blobs.get(key.id);
    if (there !== undefined) there.corrupt = true;
  }

  list(after: BlobKey | undefined, limit: number): BlobInfo[] {
    const later = [...this.blobs.values()].filter(
      (blob) => after === undefined || compareBlobs(blob.key, after) > 0,
    );
    return later
      .sort((a, b) => compareBlobs(a.key, b.key))
      .slice(0, limit)
      .map(infoOf);
  }
}

function infoOf(blob: StoredBlob): BlobInfo {
  return { id: blob.key.id, hash: blob.key.hash, length: blob.content.length };
}

export function compareBlobs(a: BlobKey, b: BlobKey): number {
  return a.hash - b.hash || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** Gathers chunks; `store` makes them visible at commit. */
export class MemoryBlobWriter implements BlobWriter {
  private readonly store: (content: Buffer) => void;
  private chunks: Buffer[] = [];
  private releases: (() => void)[] = [];
  private length = 0;
  private open = true;

  constructor(store: (content: Buffer) => void) {
    this.store = store;
  }

  async append(chunks: readonly Buffer[], onReleased?: () => void): Promise<void> {
    this.checkOpen();
    if (onReleased !== undefined) this.releases.push(onReleased);
    for (const chunk of chunks) this.length += chunk.length;
    if (this.length > blobBytesMax)
      throw badRequest('The blob is too large', { length: this.length });
    this.chunks.push(...chunks);
  }

  async commit(): Promise<void> {
    this.checkOpen();
    this.open = false;
    this.store(Buffer.concat(this.chunks));
    this.chunks = [];
    for (const release of this.releases) release();
  }

  async abort(): Promise<void> {
    this.open = false;
    this.chunks = [];
  }

  private checkOpen(): void {
    if (!this.open) throw badRequest('The blob writer was used up', { length: this.length });
  }
}
