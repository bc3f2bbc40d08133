/** The keys that accounts and containers keep for signed requests, and what a signature by each of them gives. */
import { isFailure } from '#common';
import type { Fields } from '../objects/index.ts';
import type { Grant } from './access.ts';
import type { SwiftServices } from './swift-request.ts';

export interface SigningKey {
  readonly key: string;
  readonly grant: Grant;
}

function keysIn(metadata: Fields): string[] {
  return ['temp-url-key', 'temp-url-key-2'].flatMap((name) => metadata[name] || []);
}

export async function signingKeys(
  { objects }: SwiftServices,
  account: string,
  container: string,
): Promise<readonly SigningKey[]> {
  const [whole, found] = await Promise.all([
    objects.accounts.get(account),
    objects.containers.open(account, container).catch((error: unknown) => {
      if (isFailure(error, 'missing')) return undefined;
      throw error;
    }),
  ]);
  const own = found === undefined ? [] : keysIn(found.metadata);
  return [
    ...keysIn(whole.metadata).map((key) => ({ key, grant: { account } })),
    ...own.map((key) => ({ key, grant: { account, container } })),
  ];
}
