/** What the upstream references have that a route table of ours cannot tell: the operations we are to be measured against. */

/** Whether something is there. `refused` answers the API's own error. */
export type State = 'works' | 'partly' | 'refused' | 'missing';

/** Services of the plan that are not there at all. */
export const servicesMissing: readonly string[] = [
  'Orchestration (Heat)',
  'Metering and billing',
  'Dashboard',
];
