/** What secrets, orders, containers and consumers count towards a project's quotas. */
import type { SecretCore, Tx } from './core.ts';
import type { SecretSettings } from './settings.ts';

export const counted = ['secrets', 'orders', 'containers', 'consumers'] as const;
export type Counted = (typeof counted)[number];

export const quotaService = 'secret';
export const resourceOf = (name: string): string => `${quotaService}.${name}`;

export function quotaDeclarations(settings: SecretSettings) {
  const limits: Record<Counted, number> = {
    secrets: settings.secretsPerProject,
    orders: settings.ordersPerProject,
    containers: settings.containersPerProject,
    consumers: settings.consumersPerProject,
  };
  return counted.map((name) => ({ resource: resourceOf(name), defaultLimit: limits[name] }));
}

/** Counts one more under its own id, until `core.quotas.release`. */
export async function hold(
  core: SecretCore,
  transaction: Tx,
  projectId: string,
  what: Counted,
  holder: string,
): Promise<void> {
  await core.quotas.reserve(transaction, { scope: projectId, holder }, { [resourceOf(what)]: 1 });
}
