/** What every cloud service's HTTP API is made of. */
export * from './failures.ts';
export * from './listing.ts';
export * from './policy.ts';
export * from './routes.ts';
export * from './schema.ts';
export * from './server.ts';
