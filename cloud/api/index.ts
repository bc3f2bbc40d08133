/** What every cloud service's HTTP API is made of. */
export type { ApiService, AuditRecord, RequestLine } from './edge.ts';
export * from './failures.ts';
export * from './faults.ts';
export * from './listing.ts';
export * from './microversions.ts';
export * from './policy.ts';
export * from './ranges.ts';
export * from './routes.ts';
export * from './schema.ts';
export * from './server.ts';
export { type ApiSettings, apiSettings } from './settings.ts';
