/** What servers, key pairs and groups count towards quotas, and what is said when there is no more. */
import { type Facts, isFailure } from '#common';
import type { ComputeCore, Tx } from './core.ts';
import { computeFailure } from './failures.ts';
import type { ComputeSettings } from './settings.ts';

export const resourceOf = (name: string): string => `compute.${name}`;

export function quotaDeclarations(settings: ComputeSettings) {
  const limits = {
    instances: settings.instancesPerProject,
    cores: settings.coresPerProject,
    ram: settings.ramMibPerProject,
    key_pairs: settings.keypairsPerUser,
    metadata_items: settings.metadataItems,
    server_groups: settings.serverGroupsPerProject,
    server_group_members: settings.serverGroupMembers,
  };
  return Object.entries(limits).map(([name, defaultLimit]) => ({
    resource: resourceOf(name),
    defaultLimit,
  }));
}

/** Makes what `holder` counts these amounts; refused in Nova's words when there is no room. */
export async function hold(
  core: ComputeCore,
  transaction: Tx,
  who: { readonly scope: string; readonly holder: string },
  amounts: Readonly<Record<string, number>>,
): Promise<void> {
  const named = Object.fromEntries(
    Object.entries(amounts).map(([name, amount]) => [resourceOf(name), amount]),
  );
  try {
    await core.quotas.reserve(transaction, who, named);
  } catch (error) {
    if (isFailure(error) && error.code === 'over-quota')
      throw computeFailure('over-quota', { why: sentenceOf(error.facts) }, error);
    throw error;
  }
}

function sentenceOf(facts: Facts): string {
  const name = String(facts.resource).slice('compute.'.length);
  if (name === 'key_pairs') return 'Quota exceeded, too many key pairs.';
  if (name === 'server_groups') return 'Quota exceeded, too many server groups.';
  return `Quota exceeded for ${name}: Requested ${facts.requested}, but already used ${facts.used} of ${facts.limit} ${name}`;
}
