/** What the upstream references have that a route table of ours cannot tell: the operations we are to be measured against. */

/** The Swift API and the usual middleware: what it is, and whether it is there. `refused` answers Swift's own error. */
export type State = 'works' | 'partly' | 'refused' | 'missing';

export interface Feature {
  readonly name: string;
  readonly state: State;
  readonly note?: string;
}

export const swiftFeatures: readonly Feature[] = [
  { name: 'GET, HEAD, POST account; listing in text, JSON, XML', state: 'works' },
  {
    name: 'GET, HEAD, PUT, POST, DELETE container; listing with prefix, delimiter, marker, end_marker, reverse, path, limit',
    state: 'works',
  },
  { name: 'GET, HEAD, PUT, POST, DELETE, COPY object', state: 'works' },
  {
    name: 'Range (single and multi), If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since',
    state: 'works',
  },
  { name: 'Metadata on accounts, containers, objects, with limits', state: 'works' },
  { name: 'Static large objects', state: 'works' },
  { name: 'Dynamic large objects', state: 'works' },
  { name: 'Bulk delete', state: 'works' },
  {
    name: 'X-Delete-At, X-Delete-After',
    state: 'partly',
    note: 'not served after the time; space is reclaimed later',
  },
  { name: 'Container ACLs (referrers, listings, projects and users)', state: 'works' },
  { name: 'TempAuth v1, Keystone v3 tokens', state: 'works' },
  { name: '/info, /healthcheck', state: 'works' },
  { name: 'Archive extraction', state: 'missing' },
  { name: 'Temporary URLs, form POST', state: 'missing' },
  { name: 'Object versioning (both kinds)', state: 'missing' },
  { name: 'Symlinks', state: 'missing' },
  { name: 'Account and container quotas, rate limits', state: 'missing' },
  { name: 'Static web, CORS, domain remap', state: 'missing' },
  { name: 'Container sync, encryption at rest, several storage policies', state: 'missing' },
];

/** Services of the plan that are not there at all. */
export const servicesMissing: readonly string[] = [
  'Compute (Nova, Placement)',
  'Network (Neutron)',
  'Orchestration (Heat)',
  'Metering and billing',
  'Dashboard',
];
