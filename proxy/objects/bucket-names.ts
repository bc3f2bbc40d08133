/**
 * The registry of container names that all accounts share, so that S3 can find a bucket by its name alone. A name belongs to
 * the account whose container registered it first. Names that S3 could not use are not registered.
 */
import type { StoredRow } from '#cluster';
import type { Container } from './container-service.ts';
import type { ObjectContext } from './context.ts';
import { encodeJsonRow, JsonRow } from './rows/json-row.ts';
import { nameRef } from './rows/tables.ts';

export interface NameRegistry {
  /** The account that the name belongs to. */
  find(name: string): Promise<string | undefined>;
  /** Takes the name if it is free; returns the account that has it now. */
  claim(name: string, account: string): Promise<string>;
  /** Gives the name up, if it is this account's. */
  release(name: string, account: string): Promise<void>;
}

/** Finds the container behind a registered name; undefined shows that the registration outlived it. */
export type FindContainer = (account: string, name: string) => Promise<Container | undefined>;

// A registration this young without a container is one whose container is just being made.
const claimLifeUs = 60_000_000;
const bucketName = /^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/;

function isSettled(row: StoredRow | undefined, nowUs: number): boolean {
  return row !== undefined && new JsonRow('b', row.meta).number('atUs') + claimLifeUs < nowUs;
}

function ownerOf(row: StoredRow | undefined): string | undefined {
  return row === undefined ? undefined : new JsonRow('b', row.meta).text('account');
}

export function createNames(context: ObjectContext, findContainer: FindContainer): NameRegistry {
  const { tables } = context;
  const take = async (name: string, account: string, stale: string | undefined) => {
    let owner = account;
    await tables.update(nameRef(name), (present) => {
      const holder = ownerOf(present);
      owner = holder ?? account;
      const nowUs = context.clock.nowUs();
      if (holder !== undefined && (holder !== stale || !isSettled(present, nowUs))) return 'keep';
      owner = account;
      const meta = encodeJsonRow('b', { account, atUs: nowUs });
      return { meta, bytes: 0, body: Buffer.alloc(0) };
    });
    return owner;
  };
  return {
    find: async (name) =>
      bucketName.test(name) ? ownerOf(await tables.get(nameRef(name))) : undefined,
    claim: async (name, account) => {
      if (!bucketName.test(name)) return account;
      const owner = await take(name, account, undefined);
      if (owner === account || (await findContainer(owner, name)) !== undefined) return owner;
      // A creation that died between name and row, or a deletion between row and name, left it behind.
      return await take(name, account, owner);
    },
    release: async (name, account) => {
      if (!bucketName.test(name)) return;
      await tables.update(nameRef(name), (present) =>
        ownerOf(present) === account ? 'delete' : 'keep',
      );
    },
  };
}
