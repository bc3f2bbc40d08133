/** Accounts: always there, empty until used. */
import type { Fields, Page } from './fields.ts';

export interface Account {
  readonly name: string;
  /** When its first row was written; undefined for an account that was never written to. */
  readonly createdUs: number | undefined;
  readonly metadata: Fields;
  readonly system: Fields;
}

export interface PolicyUsage {
  readonly containers: number;
  readonly objects: number;
  readonly bytes: number;
}

export interface AccountUsage extends PolicyUsage {
  /** By storage policy, of those that the account's containers have. */
  readonly policies: ReadonlyMap<string, PolicyUsage>;
}

export interface ListContainers {
  readonly prefix?: string;
  readonly delimiter?: string;
  readonly marker?: string;
  readonly endMarker?: string;
  readonly reverse?: boolean;
  readonly limit: number;
  /** Also the count and bytes of each container: one more question per container. */
  readonly usage?: boolean;
}

export type ContainerListEntry =
  | {
      readonly prefix?: never;
      readonly name: string;
      readonly createdUs: number;
      readonly modifiedUs: number;
      /** 0 unless `usage` was asked for. */
      readonly objects: number;
      readonly bytes: number;
    }
  | { readonly prefix: string; readonly name?: never };

export interface AccountService {
  get(account: string): Promise<Account>;
  /** The same from a short-lived cache: changes by this process are seen at once, those of others within `containerCacheMs`. */
  peek(account: string): Account | Promise<Account>;
  /** Exact, summed over all containers. */
  usage(account: string): Promise<AccountUsage>;
  update(
    account: string,
    change: (present: Account) => { readonly metadata?: Fields; readonly system?: Fields },
  ): Promise<Account>;
  /** Forgets what was said of the account; its containers are none of it. */
  remove(account: string): Promise<void>;
  listContainers(account: string, request: ListContainers): Promise<Page<ContainerListEntry>>;
}
