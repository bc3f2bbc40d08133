/** Kinds of a bucket's configurations that cannot be put here: whoever looks for them is told, truly, that there are none. */
import type { Action } from '../../access/actions.ts';
import { openBucket } from '../../access.ts';
import type { Operation } from '../../context.ts';
import { emptyReply, xmlReply } from '../../reply.ts';
import { S3Failure } from '../../s3-failure.ts';
import { element, s3Document } from '../../xml/write.ts';

interface Absent {
  readonly actions: { readonly get: Action; readonly put: Action };
  /** Of the document that lists them. */
  readonly root: string;
}

export const analytics: Absent = {
  actions: { get: 's3:GetAnalyticsConfiguration', put: 's3:PutAnalyticsConfiguration' },
  root: 'ListBucketAnalyticsConfigurationsResult',
};

export const metrics: Absent = {
  actions: { get: 's3:GetMetricsConfiguration', put: 's3:PutMetricsConfiguration' },
  root: 'ListMetricsConfigurationsResult',
};

export const tiering: Absent = {
  actions: {
    get: 's3:GetIntelligentTieringConfiguration',
    put: 's3:PutIntelligentTieringConfiguration',
  },
  root: 'ListBucketIntelligentTieringConfigurationsResult',
};

export function listNone({ actions, root }: Absent): Operation {
  return async (request, services) => {
    await openBucket(request, services, actions.get);
    return xmlReply(200, s3Document(root, element('IsTruncated', false)));
  };
}

export function getNone({ actions }: Absent): Operation {
  return async (request, services) => {
    await openBucket(request, services, actions.get);
    throw new S3Failure('NoSuchConfiguration');
  };
}

export function deleteNone({ actions }: Absent): Operation {
  return async (request, services) => {
    await openBucket(request, services, actions.put);
    throw new S3Failure('NoSuchConfiguration');
  };
}

/** Replication is no error to delete where there is none. */
export const deleteReplication: Operation = async (request, services) => {
  await openBucket(request, services, 's3:PutReplicationConfiguration');
  return emptyReply(204);
};
