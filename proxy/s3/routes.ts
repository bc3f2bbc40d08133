/**
 * Every operation of the S3 API: how a request names it, and what serves it. An operation without `run` is answered
 * 501 NotImplemented. The first route that fits counts, so those with a query or header stand before those without.
 */
import { deleteDocument, getDocument, putDocument } from './config/bucket-document.ts';
import { corsDocument } from './config/cors.ts';
import { lifecycleDocument } from './config/lifecycle.ts';
import { loggingDocument } from './config/logging.ts';
import { notificationDocument } from './config/notification.ts';
import { objectLockDocument } from './config/object-lock.ts';
import {
  accelerateDocument,
  encryptionDocument,
  requestPaymentDocument,
  taggingDocument,
} from './config/simple-documents.ts';
import { websiteDocument } from './config/website.ts';
import type { Operation } from './context.ts';
import { queryApi } from './iam/query-api.ts';
import { createBucket } from './operations/bucket/create-bucket.ts';
import { deleteBucket } from './operations/bucket/delete-bucket.ts';
import { deleteObjects } from './operations/bucket/delete-objects.ts';
import { getBucketLocation } from './operations/bucket/get-bucket-location.ts';
import { headBucket } from './operations/bucket/head-bucket.ts';
import { listObjectVersions } from './operations/bucket/list-object-versions.ts';
import { listObjects } from './operations/bucket/list-objects.ts';
import { listObjectsV2 } from './operations/bucket/list-objects-v2.ts';
import { postObject } from './operations/bucket/post-object.ts';
import { copyObject } from './operations/object/copy-object.ts';
import { deleteObject } from './operations/object/delete-object.ts';
import { getObject } from './operations/object/get-object.ts';
import { getObjectAttributes } from './operations/object/get-object-attributes.ts';
import { headObject } from './operations/object/head-object.ts';
import { getObjectAcl, putObjectAcl } from './operations/object/object-acl.ts';
import {
  getObjectLegalHold,
  getObjectRetention,
  putObjectLegalHold,
  putObjectRetention,
} from './operations/object/object-lock.ts';
import {
  deleteObjectTagging,
  getObjectTagging,
  putObjectTagging,
} from './operations/object/object-tagging.ts';
import { putObject } from './operations/object/put-object.ts';
import { restoreObject } from './operations/object/restore-object.ts';
import { listBuckets } from './operations/service/list-buckets.ts';
import {
  analytics,
  deleteNone,
  deleteReplication,
  getNone,
  listNone,
  metrics,
  tiering,
} from './operations/settings/absent-configurations.ts';
import { getBucketAcl, putBucketAcl } from './operations/settings/acl.ts';
import {
  deleteInventory,
  getInventory,
  listInventories,
  putInventory,
} from './operations/settings/inventory.ts';
import {
  deleteBucketPolicy,
  getBucketPolicy,
  getBucketPolicyStatus,
  putBucketPolicy,
} from './operations/settings/policy.ts';
import {
  deleteOwnershipControls,
  deletePublicAccessBlock,
  getOwnershipControls,
  getPublicAccessBlock,
  putOwnershipControls,
  putPublicAccessBlock,
} from './operations/settings/public-access.ts';
import { getReplication } from './operations/settings/replication.ts';
import { getBucketVersioning, putBucketVersioning } from './operations/settings/versioning.ts';
import { abortMultipartUpload } from './operations/upload/abort-multipart-upload.ts';
import { completeMultipartUpload } from './operations/upload/complete-multipart-upload.ts';
import { createMultipartUpload } from './operations/upload/create-multipart-upload.ts';
import { listMultipartUploads } from './operations/upload/list-multipart-uploads.ts';
import { listParts } from './operations/upload/list-parts.ts';
import { uploadPart } from './operations/upload/upload-part.ts';
import { uploadPartCopy } from './operations/upload/upload-part-copy.ts';

export type Level = 'service' | 'bucket' | 'object';

export interface Route {
  readonly operation: string;
  readonly method: string;
  readonly on: Level;
  /** Query parameters that must be there, joined by `&`; `name=value` when its value counts too. */
  readonly query?: string;
  /** A header that must be there. */
  readonly header?: string;
  readonly run?: Operation;
}

type Row = readonly [operation: string, query: string, run?: Operation, header?: string];

/** Rows of one method on one level; an empty query is none. */
function rows(method: string, on: Level, list: readonly Row[]): readonly Route[] {
  return list.map(([operation, query, run, header]) => ({
    operation,
    method,
    on,
    ...(query === '' ? {} : { query }),
    ...(header === undefined ? {} : { header }),
    ...(run === undefined ? {} : { run }),
  }));
}

const copySource = 'x-amz-copy-source';

export const routes: readonly Route[] = [
  ...rows('GET', 'service', [['ListBuckets', '', listBuckets]]),
  ...rows('POST', 'service', [['QueryApi', '', queryApi]]),

  ...rows('GET', 'bucket', [
    ['GetBucketAccelerateConfiguration', 'accelerate', getDocument(accelerateDocument)],
    ['GetBucketAcl', 'acl', getBucketAcl],
    ['GetBucketAnalyticsConfiguration', 'analytics&id', getNone(analytics)],
    ['ListBucketAnalyticsConfigurations', 'analytics', listNone(analytics)],
    ['GetBucketAbac', 'abac'],
    ['GetBucketCors', 'cors', getDocument(corsDocument)],
    ['GetBucketEncryption', 'encryption', getDocument(encryptionDocument)],
    ['GetBucketIntelligentTieringConfiguration', 'intelligent-tiering&id', getNone(tiering)],
    ['ListBucketIntelligentTieringConfigurations', 'intelligent-tiering', listNone(tiering)],
    ['GetBucketInventoryConfiguration', 'inventory&id', getInventory],
    ['ListBucketInventoryConfigurations', 'inventory', listInventories],
    ['GetBucketLifecycleConfiguration', 'lifecycle', getDocument(lifecycleDocument)],
    ['GetBucketLocation', 'location', getBucketLocation],
    ['GetBucketLogging', 'logging', getDocument(loggingDocument)],
    ['GetBucketMetadataConfiguration', 'metadataConfiguration'],
    ['GetBucketMetadataTableConfiguration', 'metadataTable'],
    ['GetBucketMetricsConfiguration', 'metrics&id', getNone(metrics)],
    ['ListBucketMetricsConfigurations', 'metrics', listNone(metrics)],
    ['GetBucketNotification', 'notification', getDocument(notificationDocument)],
    ['GetObjectLockConfiguration', 'object-lock', getDocument(objectLockDocument)],
    ['GetBucketOwnershipControls', 'ownershipControls', getOwnershipControls],
    ['GetBucketPolicy', 'policy', getBucketPolicy],
    ['GetBucketPolicyStatus', 'policyStatus', getBucketPolicyStatus],
    ['GetPublicAccessBlock', 'publicAccessBlock', getPublicAccessBlock],
    ['GetBucketReplication', 'replication', getReplication],
    ['GetBucketRequestPayment', 'requestPayment', getDocument(requestPaymentDocument)],
    ['CreateSession', 'session'],
    ['GetBucketTagging', 'tagging', getDocument(taggingDocument)],
    ['ListMultipartUploads', 'uploads', listMultipartUploads],
    ['GetBucketVersioning', 'versioning', getBucketVersioning],
    ['ListObjectVersions', 'versions', listObjectVersions],
    ['GetBucketWebsite', 'website', getDocument(websiteDocument)],
    ['ListObjectsV2', 'list-type=2', listObjectsV2],
    ['ListObjects', '', listObjects],
  ]),
  ...rows('HEAD', 'bucket', [['HeadBucket', '', headBucket]]),

  ...rows('PUT', 'bucket', [
    ['PutBucketAccelerateConfiguration', 'accelerate', putDocument(accelerateDocument)],
    ['PutBucketAbac', 'abac'],
    ['PutBucketAcl', 'acl', putBucketAcl],
    ['PutBucketAnalyticsConfiguration', 'analytics'],
    ['PutBucketCors', 'cors', putDocument(corsDocument)],
    ['PutBucketEncryption', 'encryption', putDocument(encryptionDocument)],
    ['PutBucketIntelligentTieringConfiguration', 'intelligent-tiering'],
    ['PutBucketInventoryConfiguration', 'inventory', putInventory],
    ['PutBucketLifecycleConfiguration', 'lifecycle', putDocument(lifecycleDocument)],
    ['PutBucketLogging', 'logging', putDocument(loggingDocument)],
    ['UpdateBucketMetadataInventoryTableConfiguration', 'metadataInventoryTable'],
    ['UpdateBucketMetadataJournalTableConfiguration', 'metadataJournalTable'],
    ['PutBucketMetricsConfiguration', 'metrics'],
    ['PutBucketNotification', 'notification', putDocument(notificationDocument)],
    ['PutObjectLockConfiguration', 'object-lock', putDocument(objectLockDocument)],
    ['PutBucketOwnershipControls', 'ownershipControls', putOwnershipControls],
    ['PutBucketPolicy', 'policy', putBucketPolicy],
    ['PutPublicAccessBlock', 'publicAccessBlock', putPublicAccessBlock],
    ['PutBucketReplication', 'replication'],
    ['PutBucketRequestPayment', 'requestPayment', putDocument(requestPaymentDocument)],
    ['PutBucketTagging', 'tagging', putDocument(taggingDocument)],
    ['PutBucketVersioning', 'versioning', putBucketVersioning],
    ['PutBucketWebsite', 'website', putDocument(websiteDocument)],
    ['CreateBucket', '', createBucket],
  ]),

  ...rows('DELETE', 'bucket', [
    ['DeleteBucketAnalyticsConfiguration', 'analytics', deleteNone(analytics)],
    ['DeleteBucketCors', 'cors', deleteDocument(corsDocument)],
    ['DeleteBucketEncryption', 'encryption', deleteDocument(encryptionDocument)],
    ['DeleteBucketIntelligentTieringConfiguration', 'intelligent-tiering', deleteNone(tiering)],
    ['DeleteBucketInventoryConfiguration', 'inventory', deleteInventory],
    ['DeleteBucketLifecycle', 'lifecycle', deleteDocument(lifecycleDocument)],
    ['DeleteBucketMetadataConfiguration', 'metadataConfiguration'],
    ['DeleteBucketMetadataTableConfiguration', 'metadataTable'],
    ['DeleteBucketMetricsConfiguration', 'metrics', deleteNone(metrics)],
    ['DeleteBucketOwnershipControls', 'ownershipControls', deleteOwnershipControls],
    ['DeleteBucketPolicy', 'policy', deleteBucketPolicy],
    ['DeletePublicAccessBlock', 'publicAccessBlock', deletePublicAccessBlock],
    ['DeleteBucketReplication', 'replication', deleteReplication],
    ['DeleteBucketTagging', 'tagging', deleteDocument(taggingDocument)],
    ['DeleteBucketWebsite', 'website', deleteDocument(websiteDocument)],
    ['DeleteBucket', '', deleteBucket],
  ]),

  ...rows('POST', 'bucket', [
    ['DeleteObjects', 'delete', deleteObjects],
    ['CreateBucketMetadataConfiguration', 'metadataConfiguration'],
    ['CreateBucketMetadataTableConfiguration', 'metadataTable'],
    ['PostObject', '', postObject],
  ]),

  ...rows('GET', 'object', [
    ['GetObjectAcl', 'acl', getObjectAcl],
    ['GetObjectAnnotation', 'annotation'],
    ['ListObjectAnnotations', 'annotations'],
    ['GetObjectAttributes', 'attributes', getObjectAttributes],
    ['GetObjectLegalHold', 'legal-hold', getObjectLegalHold],
    ['GetObjectRetention', 'retention', getObjectRetention],
    ['GetObjectTagging', 'tagging', getObjectTagging],
    ['GetObjectTorrent', 'torrent'],
    ['ListParts', 'uploadId', listParts],
    ['GetObject', '', getObject],
  ]),
  ...rows('HEAD', 'object', [['HeadObject', '', headObject]]),

  ...rows('PUT', 'object', [
    ['PutObjectAcl', 'acl', putObjectAcl],
    ['PutObjectAnnotation', 'annotation'],
    ['UpdateObjectEncryption', 'encryption'],
    ['PutObjectLegalHold', 'legal-hold', putObjectLegalHold],
    ['RenameObject', 'renameObject'],
    ['PutObjectRetention', 'retention', putObjectRetention],
    ['PutObjectTagging', 'tagging', putObjectTagging],
    ['UploadPartCopy', 'uploadId', uploadPartCopy, copySource],
    ['UploadPart', 'uploadId', uploadPart],
    ['CopyObject', '', copyObject, copySource],
    ['PutObject', '', putObject],
  ]),

  ...rows('DELETE', 'object', [
    ['DeleteObjectAnnotation', 'annotation'],
    ['DeleteObjectTagging', 'tagging', deleteObjectTagging],
    ['AbortMultipartUpload', 'uploadId', abortMultipartUpload],
    ['DeleteObject', '', deleteObject],
  ]),

  ...rows('POST', 'object', [
    ['RestoreObject', 'restore', restoreObject],
    ['SelectObjectContent', 'select'],
    ['CreateMultipartUpload', 'uploads', createMultipartUpload],
    ['CompleteMultipartUpload', 'uploadId', completeMultipartUpload],
  ]),
];
