/** The S3 API's operations: what is served, what of it is not, and which of boto3's tests call it. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { queryActions, s3Routes } from '../../proxy/s3/index.ts';

export interface S3Row {
  readonly operation: string;
  readonly state: string;
  /** What of a served operation is refused or different. */
  readonly note: string;
  readonly tests: string;
}

const notes: Readonly<Record<string, string>> = {
  CreateSession: 'directory buckets only',
  DeleteBucketAnalyticsConfiguration: 'answers that there is none',
  DeleteBucketIntelligentTieringConfiguration: 'answers that there is none',
  DeleteBucketMetricsConfiguration: 'answers that there is none',
  DeleteBucketReplication: 'there never is any',
  GetBucketAccelerateConfiguration: 'answers that there is none',
  GetBucketAnalyticsConfiguration: 'answers that there is none',
  GetBucketIntelligentTieringConfiguration: 'answers that there is none',
  GetBucketMetricsConfiguration: 'answers that there is none',
  GetBucketReplication: 'answers that there is none',
  ListBucketAnalyticsConfigurations: 'there never are any',
  ListBucketIntelligentTieringConfigurations: 'there never are any',
  ListBucketMetricsConfigurations: 'there never are any',
  GetObjectTorrent: 'S3 itself has given it up',
  PutBucketAccelerateConfiguration: '`Enabled` is refused: there are no edge locations',
  PutBucketInventoryConfiguration:
    'CSV only; into buckets of the same project; written at once and then daily or weekly',
  PutBucketLifecycleConfiguration:
    'transitions move the bytes where `proxy.classPolicies` keeps the class',
  PutBucketLogging: '`TargetGrants` are refused',
  PutBucketNotification:
    'targets are those of the setting `s3.notificationTargets`; EventBridge is refused',
  PutBucketRequestPayment: '`Requester` is refused: nobody is billed',
  PutBucketVersioning: 'MFA delete is refused',
  PutBucketWebsite: 'served under the setting `s3.websiteDomains`',
  PutObject:
    'storage classes are those of the setting `s3.storageClasses`; `x-amz-write-offset-bytes` is refused',
  RenameObject: 'directory buckets only',
  RestoreObject: 'nothing is archived: 403 InvalidObjectState',
  SelectObjectContent: 'S3 itself takes no new customers for it',
};

const here = join(import.meta.dirname, '../../proxy/s3/testing/boto3');

/** boto3's name of an operation. */
function methodName(operation: string): string {
  return operation
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/V2$/, '_v2')
    .toLowerCase();
}

function testsOf(operation: string, modules: ReadonlyMap<string, string>): string {
  const call = new RegExp(`\\b${methodName(operation)}\\b`);
  return [...modules].flatMap(([name, text]) => (call.test(text) ? [name] : [])).join(', ');
}

export function s3Rows(): readonly S3Row[] {
  const modules = new Map(
    fs
      .readdirSync(here)
      .filter((name) => name.endsWith('.py') && name !== 'harness.py')
      .sort()
      .map((name) => [name.replace('.py', ''), fs.readFileSync(join(here, name), 'utf8')]),
  );
  const served = new Map<string, boolean>();
  for (const { operation, run } of s3Routes)
    served.set(operation, served.get(operation) === true || run !== undefined);
  served.delete('QueryApi');
  return [...served]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([operation, works]) => ({
      operation,
      state: works ? 'works' : 'refused: 501 NotImplemented',
      note: notes[operation] ?? '',
      tests: works ? testsOf(operation, modules) : '',
    }));
}

export const s3Sections: readonly string[] = [
  `At the service's root (\`POST /\`), STS and IAM for the users of a project: ${[...queryActions].sort().join(' · ')}. Every other action is answered InvalidAction.`,
  'The last column names the modules of `proxy/s3/testing/boto3/` that call an operation; web sites, preflight requests, background work and hostile requests have `*.http.test.ts` of their own.',
];
