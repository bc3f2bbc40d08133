/** Accounts: a metadata row that may be absent, and the container rows under the account's partition key. */
import type { RowValue, StoredRow } from '#cluster';
import { afterPrefix } from '#common';
import type {
  Account,
  AccountService,
  AccountUsage,
  ContainerListEntry,
} from './account-service.ts';
import type { Container, ContainerService } from './container-service.ts';
import { decodeContainer } from './containers.ts';
import type { ObjectContext } from './context.ts';
import { noFields } from './fields.ts';
import { encodeJsonRow, JsonRow } from './rows/json-row.ts';
import { accountRef, containerTable } from './rows/tables.ts';

const pageMax = 10_000;

export function createAccounts(
  context: ObjectContext,
  containers: ContainerService,
): AccountService {
  const recent = new RecentAccounts(context);
  const get = async (account: string) =>
    decodeAccount(account, await context.tables.get(accountRef(account)));
  return {
    get,
    peek: (account) => recent.find(account) ?? recent.keep(account, get(account)),
    update: async (account, change) => {
      recent.forget(account);
      let next: Account | undefined;
      await context.tables.update(accountRef(account), (present): RowValue => {
        const old = decodeAccount(account, present);
        next = { ...old, createdUs: old.createdUs ?? context.clock.nowUs(), ...change(old) };
        const { createdUs, metadata, system } = next;
        return {
          meta: encodeJsonRow('a', { createdUs, metadata, system }),
          bytes: 0,
          body: noBytes,
        };
      });
      recent.forget(account);
      return next ?? decodeAccount(account, undefined);
    },
    remove: async (account) => {
      await context.tables.delete(accountRef(account));
      recent.forget(account);
    },
    usage: (account) => accountUsage(context, containers, account),
    listContainers: async (account, request) => {
      const { usage = false, ...rest } = request;
      const page = await context.tables.list({
        table: containerTable,
        partition: account,
        ...skipCollapsed(rest),
      });
      const entries = await mapBounded(
        page.entries,
        context.settings.usageInFlightMax,
        async (entry): Promise<ContainerListEntry> =>
          entry.row === undefined
            ? { prefix: entry.prefix }
            : await containerEntry(containers, decodeContainer(account, entry.row), usage),
      );
      return { entries, more: page.more };
    },
  };
}

/** Accounts looked at lately: what every write has to know of one (quotas, whether it may be written to) changes seldom. */
class RecentAccounts {
  private readonly context: ObjectContext;
  private readonly held = new Map<string, { readonly account: Account; readonly atMs: number }>();
  /** What was read before a change must not be held after it. */
  private changes = 0;

  constructor(context: ObjectContext) {
    this.context = context;
  }

  find(name: string): Account | undefined {
    const entry = this.held.get(name);
    const { clock, settings } = this.context;
    if (entry === undefined || clock.monotonicMs() - entry.atMs > settings.containerCacheMs)
      return undefined;
    return entry.account;
  }

  async keep(name: string, reading: Promise<Account>): Promise<Account> {
    const { clock, settings } = this.context;
    const { changes } = this;
    const atMs = clock.monotonicMs();
    const account = await reading;
    if (changes !== this.changes || settings.containerCacheMs === 0) return account;
    this.held.delete(name);
    if (this.held.size >= settings.containerCacheMax) {
      const [oldest] = this.held.keys();
      if (oldest !== undefined) this.held.delete(oldest);
    }
    this.held.set(name, { account, atMs });
    return account;
  }

  forget(name: string): void {
    this.changes += 1;
    this.held.delete(name);
  }
}

const noBytes = Buffer.alloc(0);

function decodeAccount(name: string, row: StoredRow | undefined): Account {
  if (row === undefined)
    return { name, createdUs: undefined, metadata: noFields, system: noFields };
  const values = new JsonRow('a', row.meta);
  return {
    name,
    createdUs: values.number('createdUs'),
    metadata: values.fields('metadata'),
    system: values.fields('system'),
  };
}

async function containerEntry(
  containers: ContainerService,
  container: Container,
  usage: boolean,
): Promise<ContainerListEntry> {
  const counted = usage ? await containers.usage(container) : { objects: 0, bytes: 0 };
  const { name, createdUs, modifiedUs } = container;
  return { name, createdUs, modifiedUs, ...counted };
}

async function accountUsage(
  context: ObjectContext,
  containers: ContainerService,
  account: string,
): Promise<AccountUsage> {
  const sum = { containers: 0, objects: 0, bytes: 0 };
  const policies = new Map<string, { containers: number; objects: number; bytes: number }>();
  let marker = '';
  for (;;) {
    const page = await context.tables.list({
      table: containerTable,
      partition: account,
      marker,
      limit: pageMax,
    });
    await mapBounded(page.entries, context.settings.usageInFlightMax, async (entry) => {
      if (entry.row === undefined) return;
      const container = decodeContainer(account, entry.row);
      const usage = await containers.usage(container);
      const part = policies.get(container.policy) ?? { containers: 0, objects: 0, bytes: 0 };
      policies.set(container.policy, part);
      for (const each of [sum, part]) {
        each.containers += 1;
        each.objects += usage.objects;
        each.bytes += usage.bytes;
      }
    });
    const last = page.entries.at(-1)?.row;
    if (!page.more || last === undefined) return { ...sum, policies };
    marker = last.sort;
  }
}

/** `work` over all items, a bounded number at once, results in order. */
async function mapBounded<T, R>(
  items: readonly T[],
  inFlightMax: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += inFlightMax)
    results.push(...(await Promise.all(items.slice(at, at + inFlightMax).map(work))));
  return results;
}

interface Range {
  readonly prefix?: string;
  readonly delimiter?: string;
  readonly marker?: string;
  readonly reverse?: boolean;
}

/**
 * A marker that is itself a collapsed prefix (`photos/` with delimiter `/`) stands for all names under it: going on
 * after it means after all of them, or the same prefix would be shown again.
 */
export function skipCollapsed<R extends Range>(
  request: R,
): R | (Omit<R, 'marker'> & { from: string }) {
  const { prefix = '', delimiter, marker, reverse } = request;
  if (!delimiter || marker === undefined || reverse === true || !marker.startsWith(prefix))
    return request;
  const cut = marker.indexOf(delimiter, prefix.length);
  if (cut < 0 || cut + delimiter.length !== marker.length) return request;
  const from = afterPrefix(marker);
  if (from === undefined) return request;
  const { marker: _, ...rest } = request;
  return { ...rest, from };
}
