/**
 * A page of a listing of versions: current rows and older ones merged, in windows.
 *
 * A window is a page of current rows; older versions are listed only as far as it reaches, and after it. So a version that is replaced
 * meanwhile is seen as current, or as older, or both, and never not at all; of both the older is left out by its order.
 */
import type { ListEntry, StoredRow } from '#cluster';
import { afterPrefix, compareUtf8 } from '#common';
import type {
  Container,
  ListVersions,
  VersionListEntry,
  VersionSummary,
} from '../container-service.ts';
import type { ObjectContext } from '../context.ts';
import type { Page } from '../fields.ts';
import { mergePages } from '../object-listing.ts';
import { decodeSummary } from '../rows/object-row.ts';
import { objectTable, shardPartition, versionTable } from '../rows/tables.ts';
import { isOrder, orderTimeUs, publicVersionId } from '../rows/version-block.ts';
import { orderOfId } from './delete-version.ts';
import { gravestoneLifeMs } from './gravestones.ts';
import { getCurrent, toVersionRow, type VersionRow } from './version-rows.ts';

const windowMax = 1_000;

/** Where the listing stands: everything up to here has been given. */
interface Position {
  /** Inclusive start among current names; undefined for the beginning, `null` past the end. */
  readonly names: string | undefined | null;
  /** Inclusive start among older versions' sort keys. */
  readonly older: string | undefined;
}

export async function listVersions(
  context: ObjectContext,
  container: Container,
  request: ListVersions,
): Promise<Page<VersionListEntry>> {
  const collector = new Collector(context, container, request);
  let at = await startOf(context, container, request);
  if (at === undefined || request.limit < 1) return { entries: [], more: false };
  for (;;) {
    const next: Position | undefined = await readWindow(context, container, {
      request,
      at,
      collector,
    });
    if (collector.isFull || next === undefined) return collector.page();
    at = next;
  }
}

async function startOf(
  context: ObjectContext,
  container: Container,
  request: ListVersions,
): Promise<Position | undefined> {
  const { nameMarker = '', versionMarker = '', prefix = '', delimiter = '' } = request;
  if (nameMarker === '') return { names: undefined, older: undefined };
  const after = { names: `${nameMarker}\0`, older: `${nameMarker}\u0001` };
  if (versionMarker !== '') {
    const order = await orderOfMarker(context, { container, name: nameMarker }, versionMarker);
    if (order === undefined) return after;
    // Older versions of the name after that one; from `order + 1`, since what is newer sorts before.
    const older = `${nameMarker}\0${order.order}\0`;
    // The current one may be older than others, when it was made current again.
    return { names: order.isBeforeCurrent ? nameMarker : after.names, older };
  }
  const cut = delimiter === '' ? -1 : nameMarker.indexOf(delimiter, prefix.length);
  if (cut < 0 || cut + delimiter.length !== nameMarker.length || !nameMarker.startsWith(prefix))
    return after;
  const from = afterPrefix(nameMarker);
  return from === undefined ? undefined : { names: from, older: from };
}

async function orderOfMarker(
  context: ObjectContext,
  ref: { readonly container: Container; readonly name: string },
  marker: string,
): Promise<{ readonly order: string; readonly isBeforeCurrent: boolean } | undefined> {
  const current = await getCurrent(context, ref, { body: false });
  const order =
    current !== undefined && marker === current.info.versionId
      ? current.version.order
      : isOrder(marker)
        ? marker
        : await orderOfId(context, ref, marker, current);
  if (order === undefined) return undefined;
  return { order, isBeforeCurrent: current !== undefined && order < current.version.order };
}

interface Window {
  readonly request: ListVersions;
  readonly at: Position;
  readonly collector: Collector;
}

/** Gives a window's entries to the collector; returns where the next one begins, undefined at the end. */
async function readWindow(
  context: ObjectContext,
  container: Container,
  { request, at, collector }: Window,
): Promise<Position | undefined> {
  const limit = Math.min(request.limit + 1, windowMax);
  const current =
    at.names === null
      ? none
      : await listAll(context, container, objectTable, { ...request, from: at.names, limit });
  const last = current.entries.at(-1);
  // Everything of the last name, or under the last prefix, belongs to this window.
  const end = current.more && last !== undefined ? afterEntry(last) : undefined;
  let from = at.older;
  const heads = [...current.entries];
  for (;;) {
    const page = await listAll(context, container, versionTable, {
      ...request,
      from,
      limit,
      ...(end === undefined ? {} : { endMarker: end }),
    });
    const reached = page.more ? page.entries.at(-1) : undefined;
    const upTo = reached === undefined ? undefined : keyOf(reached);
    collector.add(takeUpTo(heads, upTo), page.entries);
    if (collector.isFull) return undefined;
    if (reached === undefined) break;
    from = reached.row === undefined ? afterPrefix(reached.prefix) : `${reached.row.sort}\0`;
    if (from === undefined) break;
  }
  collector.add(heads, []);
  collector.endNames();
  return end === undefined ? undefined : { names: end, older: end };
}

const none: { entries: readonly ListEntry[]; more: boolean } = { entries: [], more: false };

function keyOf(entry: ListEntry): string {
  return entry.row === undefined ? entry.prefix : entry.row.sort;
}

function afterEntry(entry: ListEntry): string | undefined {
  return entry.row === undefined ? afterPrefix(entry.prefix) : `${entry.row.sort}\u0001`;
}

/** Removes and returns the entries at or before a key. */
function takeUpTo(entries: ListEntry[], key: string | undefined): ListEntry[] {
  if (key === undefined) return entries.splice(0);
  const count = entries.findIndex((entry) => compareUtf8(keyOf(entry), key) > 0);
  return entries.splice(0, count < 0 ? entries.length : count);
}

interface Range {
  readonly prefix?: string;
  readonly delimiter?: string;
  readonly from?: string | undefined;
  readonly endMarker?: string;
  readonly limit: number;
}

/** One page of all shards of a table. */
async function listAll(
  context: ObjectContext,
  container: Container,
  table: string,
  { prefix, delimiter, from, endMarker, limit }: Range,
) {
  const range = {
    limit,
    ...(prefix ? { prefix } : {}),
    ...(delimiter ? { delimiter } : {}),
    ...(from === undefined ? {} : { from }),
    ...(endMarker === undefined ? {} : { endMarker }),
  };
  const pages = await Promise.all(
    Array.from({ length: container.shards }, (_, shard) =>
      context.tables.list({ table, partition: shardPartition(container, shard), ...range }),
    ),
  );
  const [only] = pages;
  return only !== undefined && pages.length === 1 ? only : mergePages(pages, limit, false);
}

/** Puts the lines together: names in order, of each the versions by age, the current one among them. */
class Collector {
  private readonly context: ObjectContext;
  private readonly container: Container;
  private readonly request: ListVersions;
  private readonly entries: VersionListEntry[] = [];
  /** The name that rows came of last, its current row, and whether that one is still to be given. */
  private name: string | undefined;
  private top: VersionRow | undefined;
  private waiting: StoredRow | undefined;
  private lastPrefix: string | undefined;

  constructor(context: ObjectContext, container: Container, request: ListVersions) {
    this.context = context;
    this.container = container;
    this.request = request;
    // Of the marker's own name the latest has been given already.
    if (request.versionMarker) this.name = request.nameMarker;
  }

  get isFull(): boolean {
    return this.entries.length > this.request.limit;
  }

  page(): Page<VersionListEntry> {
    const { limit } = this.request;
    return { entries: this.entries.slice(0, limit), more: this.entries.length > limit };
  }

  /** Both sorted, and all of the one before what comes in the next call. */
  add(current: readonly ListEntry[], older: readonly ListEntry[]): void {
    let at = 0;
    for (const entry of current) {
      const key = keyOf(entry);
      for (; at < older.length; at++) {
        const next = older[at];
        if (next === undefined || compareUtf8(keyOf(next), key) > 0) break;
        this.take(next, false);
      }
      this.take(entry, true);
    }
    for (; at < older.length; at++) {
      const next = older[at];
      if (next !== undefined) this.take(next, false);
    }
  }

  private take(entry: ListEntry, isCurrent: boolean): void {
    if (entry.row !== undefined) this.takeRow(entry.row, isCurrent);
    else if (entry.prefix !== this.lastPrefix) {
      this.lastPrefix = entry.prefix;
      this.giveCurrent();
      this.entries.push({ prefix: entry.prefix });
    }
  }

  private takeRow(row: StoredRow, isCurrent: boolean): void {
    const found = toVersionRow(row);
    const { name } = found.info;
    if (found.version.kind === 'gravestone') {
      this.passGravestone(found);
      return;
    }
    const isFirst = this.name !== name;
    if (isFirst) this.endNames();
    this.name = name;
    if (isCurrent) {
      this.top = found;
      this.waiting = row;
      return;
    }
    if (this.top !== undefined && found.version.order >= this.top.version.order) this.giveCurrent();
    if (found.version.kind === 'absence' || this.isShown(found)) return;
    this.entries.push(summaryOf(row, found, isFirst));
  }

  private giveCurrent(): void {
    const { waiting, top } = this;
    this.waiting = undefined;
    if (waiting !== undefined && top !== undefined)
      this.entries.push(summaryOf(waiting, top, true));
  }

  /** Of the names so far nothing more comes. */
  endNames(): void {
    this.giveCurrent();
    this.top = undefined;
  }

  /** A copy of the current row, or a `null` version that the current `null` has replaced. */
  private isShown({ version }: VersionRow): boolean {
    if (this.top === undefined) return false;
    const { order, isNull } = this.top.version;
    return version.order === order || (isNull && version.isNull);
  }

  private passGravestone({ info, version }: VersionRow): void {
    if (info.modifiedUs + gravestoneLifeMs * 1000 > this.context.clock.nowUs()) return;
    const leftover = { container: this.container, name: info.name, order: version.order };
    void this.context.gravestones.remove(leftover);
  }
}

function summaryOf(
  row: StoredRow,
  { version, info }: VersionRow,
  isLatest: boolean,
): VersionSummary {
  return {
    ...decodeSummary(row),
    modifiedUs: version.kind === 'marker' ? orderTimeUs(version.order) : info.modifiedUs,
    versionId: publicVersionId(version),
    isLatest,
    isDeleteMarker: version.kind === 'marker',
    position: version.order,
  };
}
