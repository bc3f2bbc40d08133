/** The storage policies that containers may be made with. */
import { parseCodingPolicies } from '../objects/index.ts';
import type { SwiftSettings } from './settings.ts';

export interface StoragePolicy {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly deprecated: boolean;
}

export interface StoragePolicies {
  readonly all: readonly StoragePolicy[];
  /** What a container gets that asks for none. */
  readonly byDefault: StoragePolicy;
  /** By name or alias, in any case. */
  find(name: string): StoragePolicy | undefined;
}

/**
 * `gold silver=argent old=deprecated`; the first that is not deprecated is the default. Those that keep fragments (`erasure`)
 * need not be named again.
 */
export function parsePolicies(
  settings: Pick<SwiftSettings, 'policies'>,
  erasure = '',
): StoragePolicies {
  const named = settings.policies
    .split(/[\s,]+/)
    .filter((word) => word !== '')
    .map((word): StoragePolicy => {
      const [name = '', ...rest] = word.split('=');
      const deprecated = rest.includes('deprecated');
      return { name, aliases: rest.filter((alias) => alias !== 'deprecated'), deprecated };
    });
  const all = [
    ...named,
    ...parseCodingPolicies(erasure)
      .filter(({ name }) => !named.some((policy) => policy.name === name))
      .map(({ name }) => ({ name, aliases: [], deprecated: false })),
  ];
  const byName = new Map<string, StoragePolicy>();
  for (const policy of all)
    for (const name of [policy.name, ...policy.aliases]) byName.set(name.toLowerCase(), policy);
  const [first = { name: 'default', aliases: [], deprecated: false }] = all;
  return {
    all,
    byDefault: all.find(({ deprecated }) => !deprecated) ?? first,
    find: (name) => byName.get(name.toLowerCase()),
  };
}
