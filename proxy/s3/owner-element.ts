/** Owners as listings show them. */
import type { S3Services } from './context.ts';
import { ownerId } from './owner-id.ts';
import { element, wrap } from './xml/write.ts';

/** `<ID>…</ID><DisplayName>…</DisplayName>` of a canonical id. */
async function innerOf(id: string, { findOwner }: S3Services): Promise<string> {
  const owner = await findOwner({ id });
  return element('ID', id) + element('DisplayName', owner?.displayName ?? '');
}

export type OwnerOf = (entry: { readonly owner?: string }) => string;

/** What stands in an entry's `Owner`: mostly the bucket's owner, else whoever put the object there. */
export async function ownersOf(
  entries: readonly { readonly owner?: string }[],
  account: string,
  services: S3Services,
): Promise<OwnerOf> {
  const others = new Set(entries.flatMap(({ owner }) => (owner === undefined ? [] : [owner])));
  const known = new Map<string, string>();
  for (const id of others) known.set(id, await innerOf(id, services));
  const own = await innerOf(ownerId(account), services);
  return ({ owner }) => (owner === undefined ? own : (known.get(owner) ?? own));
}

/** The same as a whole element. */
export async function ownerElementsOf(
  entries: readonly { readonly owner?: string }[],
  account: string,
  services: S3Services,
): Promise<OwnerOf> {
  const inner = await ownersOf(entries, account, services);
  return (entry) => wrap('Owner', inner(entry));
}
