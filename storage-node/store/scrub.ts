/**
 * Reads what is stored, past every cache, and checks it: rows in the order of the index, then blobs. What is bad is quarantined,
 * as if a reader had come upon it. The cursor is the name of the last entry that was checked.
 */
import { giveBack, isFailure } from '#common';
import { blobReadBytesMax, emptySurvey, type SurveyReply } from '#wire';
import type { IndexStore } from '../index/index-store.ts';
import { blobKeyOf, rowKeyOf } from '../index/keys.ts';
import { decodeBlobState } from './blob-state.ts';
import type { Blobs } from './blobs.ts';
import { decodeRowState } from './row-entry.ts';
import { recordLength } from './row-state.ts';
import type { Rows } from './rows.ts';

export interface ScrubParts {
  readonly index: IndexStore;
  readonly rows: Rows;
  readonly blobs: Blobs;
  readonly onIndexDamage: () => void;
}

const entriesMax = 500;

interface Checked {
  readonly bytes: number;
  readonly good: boolean;
}

export class Scrub {
  private readonly parts: ScrubParts;

  constructor(parts: ScrubParts) {
    this.parts = parts;
  }

  async step(after: string | undefined, bytesMax: number): Promise<SurveyReply> {
    const inBlobs = after?.startsWith('b') === true;
    const { entries } = await this.parts.index.scan({
      from: after ?? 'r',
      afterFrom: after !== undefined,
      until: inBlobs ? 'c' : 's',
      limit: entriesMax,
    });
    let records = 0;
    let bytes = 0;
    let bad = 0;
    let last: string | undefined;
    for (const [name, text] of entries) {
      if (bytes >= bytesMax) break;
      const checked = await (inBlobs ? this.checkBlob(name, text) : this.checkRow(name, text));
      records += 1;
      bytes += checked.bytes;
      bad += Number(!checked.good);
      last = name;
    }
    // Rows are followed by blobs; 'b' comes before every blob's name.
    const next = last ?? (inBlobs ? undefined : 'b');
    return { ...emptySurvey, next, records, bytes, bad };
  }

  private async checkRow(name: string, text: string): Promise<Checked> {
    const row = decodeRowState(name, text);
    if (row === undefined) {
      this.parts.onIndexDamage();
      return { bytes: text.length, good: false };
    }
    const bytes = recordLength(row);
    if (row.lost) return { bytes: 0, good: true };
    return { bytes, good: await this.parts.rows.verify(rowKeyOf(name), row) };
  }

  private async checkBlob(name: string, text: string): Promise<Checked> {
    const blob = decodeBlobState(name, text);
    if (blob === undefined) {
      this.parts.onIndexDamage();
      return { bytes: text.length, good: false };
    }
    if (blob.lost) return { bytes: 0, good: true };
    const key = blobKeyOf(name);
    try {
      for (let offset = 0; offset < blob.length; offset += blobReadBytesMax)
        giveBack(await this.parts.blobs.read(key, offset, blobReadBytesMax));
    } catch (error) {
      // Deleted meanwhile is as good as checked.
      if (!isFailure(error, 'corrupt') && !isFailure(error, 'missing')) throw error;
      return { bytes: blob.length, good: isFailure(error, 'missing') };
    }
    return { bytes: blob.length, good: true };
  }
}
