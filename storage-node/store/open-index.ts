/** Opens the index and finds out how far it can be believed; one that cannot is thrown away and begun anew. */
import { isFailure, type Logger } from '#common';
import type { IndexPlace, IndexStore } from '../index/index-store.ts';
import {
  chainKey,
  chainNumber,
  checkpointKey,
  cleanKey,
  formatKey,
  indexFormat,
} from '../index/keys.ts';
import { Ledger, type Link, readLink, writeLink } from './ledger.ts';

export interface OpenedIndex {
  readonly index: IndexStore;
  readonly ledger: Ledger;
  /** The last batch in it, and how far into the log that is. */
  readonly batch: number;
  readonly link: Link;
  /** What a clean close left. */
  readonly clean: string | undefined;
}

const noLink: Link = {
  ...{ file: 0, offset: 0, group: 0 },
  ...{ rows: 0, blobs: 0, blobFileBytes: 0, promises: 0, quarantined: 0 },
};

export async function openIndex(place: IndexPlace, logger: Logger): Promise<OpenedIndex> {
  try {
    const index = await place.open();
    const found = await believe(index);
    if (found !== undefined) return found;
    await index.close();
    logger.warn({}, 'the index is missing or incomplete and is made anew from the log');
  } catch (error) {
    if (!isFailure(error, 'corrupt')) throw error;
    logger.error({ err: error }, 'the index is damaged and is made anew from the log');
  }
  return begin(place);
}

async function begin(place: IndexPlace): Promise<OpenedIndex> {
  await place.wipe();
  const index = await place.open();
  await index.apply(new Map([[checkpointKey, `0 ${writeLink(noLink)}`]]));
  return { index, ledger: new Ledger(), batch: 0, link: noLink, clean: undefined };
}

/** The index is whole when the numbers of its batches since the checkpoint have no gap. */
async function believe(index: IndexStore): Promise<OpenedIndex | undefined> {
  const checkpoint = index.get(checkpointKey);
  if (index.get(formatKey) !== indexFormat || checkpoint === undefined) return undefined;
  const space = checkpoint.indexOf(' ');
  let batch = Number(checkpoint.slice(0, space));
  let link = readLink(checkpoint.slice(space + 1));
  for (;;) {
    const range = { from: chainKey(batch), afterFrom: true, until: 'o', limit: 10_000 };
    const { entries } = await index.scan(range);
    for (const [name, text] of entries) {
      if (chainNumber(name) !== batch + 1) return undefined;
      batch++;
      link = readLink(text);
    }
    if (entries.length === 0) break;
  }
  const ledger = await readLedger(index, link);
  return { index, ledger, batch, link, clean: index.get(cleanKey) };
}

async function readLedger(index: IndexStore, link: Link): Promise<Ledger> {
  const ledger = new Ledger();
  const { rows, blobs, blobFileBytes, promises, quarantined } = link;
  ledger.counters = { rows, blobs, blobFileBytes, promises, quarantined };
  const { entries } = await index.scan({ from: 'f', until: 'g', limit: 1_000_000 });
  for (const [name, text] of entries) ledger.readFile(Number.parseInt(name.slice(1), 16), text);
  return ledger;
}

/** Makes everything up to `batch` believable without its chain, which is then cut. */
export async function checkpoint(index: IndexStore, batch: number): Promise<void> {
  const link = index.get(chainKey(batch));
  if (link === undefined) return;
  await index.flush();
  await index.apply(new Map([[checkpointKey, `${batch} ${link}`]]));
  await cutChain(index, batch);
}

/** The last link stays: without it, a cut that survived while its checkpoint did not would look like a short chain. */
async function cutChain(index: IndexStore, batch: number): Promise<void> {
  for (;;) {
    const range = { from: 'n', until: chainKey(batch), limit: 1000 };
    const { entries } = await index.scan(range);
    if (entries.length === 0) return;
    await index.apply(new Map(entries.map(([name]) => [name, undefined])));
  }
}
