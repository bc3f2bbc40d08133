/** Owners as listings show them. */
import type { S3Services } from './context.ts';
import { ownerId } from './owner-id.ts';
import { element, wrap } from './xml/write.ts';

/** `<ID>…</ID><DisplayName>…</DisplayName>` of an account. */
export async function ownerInner(account: string, { findOwner }: S3Services): Promise<string> {
  const id = ownerId(account);
  const owner = await findOwner({ id });
  return element('ID', id) + element('DisplayName', owner?.displayName ?? '');
}

export async function ownerElement(account: string, services: S3Services): Promise<string> {
  return wrap('Owner', await ownerInner(account, services));
}
