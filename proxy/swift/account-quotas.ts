/**
 * The limits of an account, which resellers set: `X-Account-Meta-Quota-Bytes` (Swift's first form, kept as metadata), and
 * `X-Account-Quota-{Bytes,Count}`, each also for one storage policy (`…-Policy-NAME`), kept as system fields.
 */
import type { Exchange } from '../exchange.ts';
import type { Account, AccountUsage, Fields } from '../objects/index.ts';
import { toFields } from './metadata.ts';
import { titleCase } from './text.ts';

export interface Quota {
  readonly kind: 'bytes' | 'count';
  /** Lower-case; undefined for all policies together. */
  readonly policy: string | undefined;
  readonly limit: number;
}

const field = /^quota-(bytes|count)(?:-policy-(.+))?$/;
const header = /^x-(remove-)?account-(meta-)?(quota-(?:bytes|count)(?:-policy-.+)?)$/;

export interface QuotaHeader {
  readonly isMetadata: boolean;
  readonly field: string;
  /** Empty for a removal. */
  readonly value: string;
}

export function quotaHeaders({ headers }: Exchange): readonly QuotaHeader[] {
  const found: QuotaHeader[] = [];
  for (const name of Object.keys(headers)) {
    const match = name.startsWith('x-') ? header.exec(name) : null;
    if (match === null) continue;
    const [, removes, meta, quota = ''] = match;
    const value = removes === undefined ? headers[name] : '';
    found.push({ isMetadata: meta !== undefined, field: quota, value: String(value ?? '') });
  }
  return found;
}

/** The system fields after the request's headers. */
export function applyQuotas(exchange: Exchange, system: Fields): Fields {
  const own = quotaHeaders(exchange).filter(({ isMetadata }) => !isMetadata);
  if (own.length === 0) return system;
  const next = new Map(Object.entries(system));
  for (const { field: name, value } of own)
    if (value === '') next.delete(name);
    else next.set(name, value);
  return toFields(next);
}

export function writeQuotas(headers: Record<string, string | number>, { system }: Account): void {
  for (const [name, value] of Object.entries(system))
    if (field.test(name)) headers[titleCase(`x-account-${name}`)] = value;
}

export function quotasOf({ metadata, system }: Account): readonly Quota[] {
  return [...Object.entries(metadata), ...Object.entries(system)].flatMap(([name, value]) => {
    const match = name.startsWith('quota-') && /^\d+$/.test(value) ? field.exec(name) : null;
    if (match === null) return [];
    const kind = match[1] === 'count' ? 'count' : 'bytes';
    return [{ kind, policy: match[2], limit: Number(value) } as const];
  });
}

/** Whether one more object of `bytes` bytes with the policy still fits. */
export function fits(
  { kind, policy, limit }: Quota,
  usage: AccountUsage,
  object: { readonly bytes: number; readonly policy: string },
): boolean {
  if (policy !== undefined && policy !== object.policy.toLowerCase()) return true;
  const part = policy === undefined ? usage : usage.policies.get(object.policy);
  const used = kind === 'bytes' ? (part?.bytes ?? 0) + object.bytes : (part?.objects ?? 0) + 1;
  return used <= limit;
}
