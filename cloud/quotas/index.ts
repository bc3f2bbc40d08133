/** Quotas: what a project may use, counted exactly, in the transaction that uses it. */
export { quotaMigrations } from './migrations.ts';
export {
  createQuotas,
  type QuotaAmounts,
  type QuotaDeclaration,
  type Quotas,
  type QuotaUsage,
  unlimited,
} from './quotas.ts';
