/** The control service: what the cloud is doing and has done, over HTTP. */

export { auditView, eventView } from './journal.ts';
export { operationView } from './operations.ts';
export { type ControlParts, controlService } from './service.ts';
export { timeOf } from './views.ts';
