/** The S3 dialect: parses requests, calls the object service, renders answers. */

export { AccessLog } from './access-log.ts';
export { startS3Work } from './background.ts';
export type { S3Options } from './context.ts';
export { createS3Handler } from './handler.ts';
export { Accounts } from './iam/accounts.ts';
export { queryActions } from './iam/query-api.ts';
export { createNotifier } from './notify/create-notifier.ts';
export { createS3Refusal } from './refuse-early.ts';
export { type Route, routes as s3Routes } from './routes.ts';
export { type S3Settings, s3Settings } from './settings.ts';
