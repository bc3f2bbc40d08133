/** The blobs that one client is writing: each a chain of steps in the order in which its frames came. */
import { Failure, giveBack } from '#common';
import type { BlobOpening } from '../codec/messages.ts';
import type { BlobWriter, DeviceService } from '../device-service.ts';

interface OpenWriter {
  /** Fails when the blob could not be opened; whoever asked to open it is told. */
  readonly opened: Promise<BlobWriter>;
  /** The last step. */
  tail: Promise<BlobWriter>;
}

export class OpenWriters {
  private readonly writers = new Map<number, OpenWriter>();
  private readonly writersMax: number;

  constructor(writersMax: number) {
    this.writersMax = writersMax;
  }

  async open(id: number, device: DeviceService, opening: BlobOpening): Promise<void> {
    if (this.writers.size >= this.writersMax)
      throw new Failure('busy', 'too-many-waiting', 'Too many blobs are being written already');
    if (this.writers.has(id))
      throw new Failure('invalid', 'bad-message', 'A blob writer was opened twice');
    const opened = device.openBlob(opening.key, opening.options);
    this.writers.set(id, { opened, tail: opened });
    try {
      await opened;
    } catch (error) {
      this.writers.delete(id);
      throw error;
    }
  }

  append(id: number, data: Buffer): Promise<void> {
    const onReleased = () => giveBack(data);
    return this.step(this.find(id), (writer) => writer.append([data], onReleased));
  }

  async commit(id: number): Promise<void> {
    const entry = this.find(id);
    try {
      await this.step(entry, (writer) => writer.commit());
    } catch (error) {
      await abortWhenOpen(entry);
      throw error;
    } finally {
      this.writers.delete(id);
    }
  }

  /** A writer that is gone already has nothing to abort. */
  async abort(id: number): Promise<void> {
    const entry = this.writers.get(id);
    this.writers.delete(id);
    if (entry !== undefined) await abortWhenOpen(entry);
  }

  async abortAll(): Promise<void> {
    const entries = [...this.writers.values()];
    this.writers.clear();
    await Promise.all(entries.map(abortWhenOpen));
  }

  private find(id: number): OpenWriter {
    const entry = this.writers.get(id);
    if (entry !== undefined) return entry;
    throw new Failure('invalid', 'no-such-writer', 'This blob is not being written');
  }

  /** After a step that failed, so do all that follow. */
  private async step(entry: OpenWriter, run: (writer: BlobWriter) => Promise<void>): Promise<void> {
    const next = entry.tail.then(async (writer) => {
      await run(writer);
      return writer;
    });
    entry.tail = next;
    await next;
  }
}

async function abortWhenOpen(entry: OpenWriter): Promise<void> {
  const [opened] = await Promise.allSettled([entry.opened]);
  if (opened.status === 'fulfilled') await opened.value.abort();
}
