/**
 * Who may reach a volume by NBD: an attachment is a row under its volume's partition key. Its secrets are not stored: they are derived from a
 * secret of the cluster, the attachment and a nonce in its row, so that they end with the row.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { RowRef, Tables } from '#cluster';
import { type Clock, Failure, type Random, randomHex, randomUuid } from '#common';
import { Fields, headFailure, parseObject } from '../volume/fields.ts';
import { isVolumeId } from '../volume/head.ts';
import type { Attachment, AttachmentCredentials, AttachRequest } from './service.ts';

const attachmentTable = 'volume-attach';
const attachmentsMax = 1000;
const idPattern = /^[0-9a-zA-Z_-]{1,64}$/;

export interface AttachmentsOptions {
  readonly tables: Tables;
  readonly clock: Clock;
  readonly random: Random;
  readonly secret: Buffer;
}

interface AttachmentRow extends Attachment {
  readonly nonce: string;
  /** While it is handed over: what the next holder's secrets are derived from. */
  readonly next?: string;
}

/** An attachment, and which of its holders asked. */
export interface Held extends Attachment {
  readonly nonce: string;
}

export class Attachments {
  private readonly options: AttachmentsOptions;

  constructor(options: AttachmentsOptions) {
    this.options = options;
  }

  /** What is there already under this id stays as it is. */
  async attach(request: AttachRequest): Promise<AttachmentCredentials> {
    const { tables, clock, random } = this.options;
    const { volume, mode = 'rw', note = '', id = randomUuid(random) } = request;
    if (!idPattern.test(id) || note.length > 1024)
      throw new Failure(
        'invalid',
        'bad-attachment',
        'An attachment id has letters, digits, - and _',
      );
    const row: AttachmentRow = {
      id,
      volume,
      mode,
      note,
      createdUs: clock.nowUs(),
      nonce: randomHex(random, 16),
    };
    let kept = row;
    await tables.update(refOf(volume, id), (present) => {
      if (present !== undefined) {
        kept = decodeRow(present.meta);
        return 'keep';
      }
      kept = row;
      return { meta: encodeRow(row), bytes: 0, body: Buffer.alloc(0) };
    });
    return this.withSecrets(kept);
  }

  async credentials(volume: string, id: string): Promise<AttachmentCredentials> {
    const row = await this.find(volume, id);
    if (row !== undefined) return this.withSecrets(row);
    throw missingAttachment(volume, id);
  }

  /** Secrets for who is to have it next, beside those that are good already; the same each time until it is settled. */
  async offer(volume: string, id: string): Promise<AttachmentCredentials> {
    const nonce = randomHex(this.options.random, 16);
    const row = await this.change(volume, id, (kept) => ({ next: nonce, ...kept }));
    return this.withSecrets({ ...row, nonce: row.next ?? row.nonce });
  }

  /** Ends the handing over: one holder's secrets stay. What these are derived from is told: who came by others is to be cut. */
  async settle(volume: string, id: string, keep: 'next' | 'present'): Promise<string> {
    const { nonce } = await this.change(volume, id, ({ next, ...kept }) =>
      keep === 'next' && next !== undefined ? { ...kept, nonce: next } : kept,
    );
    return nonce;
  }

  private async change(
    volume: string,
    id: string,
    change: (row: AttachmentRow) => AttachmentRow,
  ): Promise<AttachmentRow> {
    let after: AttachmentRow | undefined;
    await this.options.tables.update(refOf(volume, id), (present) => {
      after = present === undefined ? undefined : change(decodeRow(present.meta));
      if (after === undefined) return 'keep';
      return { meta: encodeRow(after), bytes: 0, body: Buffer.alloc(0) };
    });
    if (after !== undefined) return after;
    throw missingAttachment(volume, id);
  }

  async list(volume: string): Promise<Attachment[]> {
    const page = await this.options.tables.list({
      table: attachmentTable,
      partition: volume,
      limit: attachmentsMax,
    });
    return page.entries.flatMap(({ row }) =>
      row === undefined ? [] : [told(decodeRow(row.meta))],
    );
  }

  /** Its secrets are worth nothing from now on. */
  async forget(volume: string, id: string): Promise<void> {
    await this.options.tables.delete(refOf(volume, id));
  }

  async forgetAll(volume: string): Promise<void> {
    for (const { id } of await this.list(volume)) await this.forget(volume, id);
  }

  /** The attachment that an export name stands for; undefined when it is not, or no longer, valid. */
  async authenticate(exportName: string): Promise<Held | undefined> {
    const [volume = '', id = '', tag = '', more] = exportName.split('.');
    if (more !== undefined || !isVolumeId(volume) || !idPattern.test(id)) return undefined;
    const row = await this.find(volume, id);
    if (row === undefined) return undefined;
    const nonce = noncesOf(row).find((one) => same(tag, this.tag({ ...row, nonce: one })));
    return nonce === undefined ? undefined : { ...told(row), nonce };
  }

  /** The key of a pre-shared-key identity, whether there is such an attachment or not. */
  pskOf(identity: string): Buffer {
    return this.derive(`psk/${identity}`);
  }

  /** The attachment that a proven identity stands for. */
  async identified(identity: string): Promise<Held | undefined> {
    const [volume = '', id = '', nonce = '', more] = identity.split('.');
    if (more !== undefined || !isVolumeId(volume) || !idPattern.test(id)) return undefined;
    const row = await this.find(volume, id);
    return row !== undefined && noncesOf(row).includes(nonce) ? { ...told(row), nonce } : undefined;
  }

  private async find(volume: string, id: string): Promise<AttachmentRow | undefined> {
    const row = await this.options.tables.get(refOf(volume, id));
    return row === undefined ? undefined : decodeRow(row.meta);
  }

  private withSecrets(row: AttachmentRow): AttachmentCredentials {
    const pskIdentity = `${row.volume}.${row.id}.${row.nonce}`;
    return {
      ...told(row),
      exportName: `${row.volume}.${row.id}.${this.tag(row)}`,
      pskIdentity,
      pskKey: this.pskOf(pskIdentity).toString('hex'),
    };
  }

  private tag(row: AttachmentRow): string {
    return this.derive(`export/${row.volume}/${row.id}/${row.nonce}`).toString('hex');
  }

  private derive(what: string): Buffer {
    return createHmac('sha256', this.options.secret).update(what).digest();
  }
}

function same(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}

const noncesOf = ({ nonce, next }: AttachmentRow): string[] =>
  next === undefined ? [nonce] : [nonce, next];

const missingAttachment = (volumeId: string, attachment: string) =>
  new Failure('missing', 'attachment-missing', 'There is no such attachment', {
    facts: { volumeId, attachment },
  });

function told(row: AttachmentRow): Attachment {
  const { nonce: _secret, next: _other, ...rest } = row;
  return rest;
}

function refOf(volume: string, id: string): RowRef {
  return { table: attachmentTable, partition: volume, sort: id };
}

function encodeRow(row: AttachmentRow): Buffer {
  return Buffer.from(JSON.stringify({ format: 'pileus-volume-attachment', version: 1, ...row }));
}

function decodeRow(meta: Buffer): AttachmentRow {
  const fields = new Fields(parseObject(meta.toString('utf8')));
  if (fields.text('format') !== 'pileus-volume-attachment' || fields.whole('version') !== 1)
    throw headFailure('format');
  const mode = fields.text('mode');
  if (mode !== 'rw' && mode !== 'ro') throw headFailure('mode');
  return {
    id: fields.text('id'),
    volume: fields.text('volume'),
    mode,
    note: fields.text('note'),
    createdUs: fields.whole('createdUs'),
    nonce: fields.text('nonce'),
    ...maybe('next', fields.maybeText('next')),
  };
}

const maybe = <K extends string, V>(name: K, value: V | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { readonly [Name in K]?: V };
