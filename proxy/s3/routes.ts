/**
 * Every operation of the S3 API: how a request names it, and what serves it. An operation without `run` is answered
 * 501 NotImplemented. The first route that fits counts, so those with a query or header stand before those without.
 */
import type { Operation } from './context.ts';
import { createBucket } from './operations/bucket/create-bucket.ts';
import { deleteBucket } from './operations/bucket/delete-bucket.ts';
import { deleteObjects } from './operations/bucket/delete-objects.ts';
import { getBucketAcl } from './operations/bucket/get-bucket-acl.ts';
import { getBucketLocation } from './operations/bucket/get-bucket-location.ts';
import { getBucketVersioning } from './operations/bucket/get-bucket-versioning.ts';
import { headBucket } from './operations/bucket/head-bucket.ts';
import { listObjects } from './operations/bucket/list-objects.ts';
import { listObjectsV2 } from './operations/bucket/list-objects-v2.ts';
import { copyObject } from './operations/object/copy-object.ts';
import { deleteObject } from './operations/object/delete-object.ts';
import { getObject } from './operations/object/get-object.ts';
import { getObjectAcl } from './operations/object/get-object-acl.ts';
import { getObjectAttributes } from './operations/object/get-object-attributes.ts';
import { getObjectTagging } from './operations/object/get-object-tagging.ts';
import { headObject } from './operations/object/head-object.ts';
import { putObject } from './operations/object/put-object.ts';
import { listBuckets } from './operations/service/list-buckets.ts';
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
  /** A query parameter that must be there; `name=value` when its value counts too. */
  readonly query?: string;
  /** A header that must be there. */
  readonly header?: string;
  readonly run?: Operation;
}

const copySource = 'x-amz-copy-source';

export const routes: readonly Route[] = [
  { operation: 'ListBuckets', method: 'GET', on: 'service', run: listBuckets },

  {
    operation: 'GetBucketAccelerateConfiguration',
    method: 'GET',
    on: 'bucket',
    query: 'accelerate',
  },
  { operation: 'GetBucketAcl', method: 'GET', on: 'bucket', query: 'acl', run: getBucketAcl },
  { operation: 'GetBucketAnalyticsConfiguration', method: 'GET', on: 'bucket', query: 'analytics' },
  { operation: 'GetBucketCors', method: 'GET', on: 'bucket', query: 'cors' },
  { operation: 'GetBucketEncryption', method: 'GET', on: 'bucket', query: 'encryption' },
  {
    operation: 'GetBucketIntelligentTieringConfiguration',
    method: 'GET',
    on: 'bucket',
    query: 'intelligent-tiering',
  },
  { operation: 'GetBucketInventoryConfiguration', method: 'GET', on: 'bucket', query: 'inventory' },
  { operation: 'GetBucketLifecycleConfiguration', method: 'GET', on: 'bucket', query: 'lifecycle' },
  {
    operation: 'GetBucketLocation',
    method: 'GET',
    on: 'bucket',
    query: 'location',
    run: getBucketLocation,
  },
  { operation: 'GetBucketLogging', method: 'GET', on: 'bucket', query: 'logging' },
  {
    operation: 'GetBucketMetadataConfiguration',
    method: 'GET',
    on: 'bucket',
    query: 'metadataConfiguration',
  },
  {
    operation: 'GetBucketMetadataTableConfiguration',
    method: 'GET',
    on: 'bucket',
    query: 'metadataTable',
  },
  { operation: 'GetBucketMetricsConfiguration', method: 'GET', on: 'bucket', query: 'metrics' },
  { operation: 'GetBucketNotification', method: 'GET', on: 'bucket', query: 'notification' },
  { operation: 'GetObjectLockConfiguration', method: 'GET', on: 'bucket', query: 'object-lock' },
  {
    operation: 'GetBucketOwnershipControls',
    method: 'GET',
    on: 'bucket',
    query: 'ownershipControls',
  },
  { operation: 'GetBucketPolicy', method: 'GET', on: 'bucket', query: 'policy' },
  { operation: 'GetBucketPolicyStatus', method: 'GET', on: 'bucket', query: 'policyStatus' },
  { operation: 'GetPublicAccessBlock', method: 'GET', on: 'bucket', query: 'publicAccessBlock' },
  { operation: 'GetBucketReplication', method: 'GET', on: 'bucket', query: 'replication' },
  { operation: 'GetBucketRequestPayment', method: 'GET', on: 'bucket', query: 'requestPayment' },
  { operation: 'CreateSession', method: 'GET', on: 'bucket', query: 'session' },
  { operation: 'GetBucketTagging', method: 'GET', on: 'bucket', query: 'tagging' },
  {
    operation: 'ListMultipartUploads',
    method: 'GET',
    on: 'bucket',
    query: 'uploads',
    run: listMultipartUploads,
  },
  {
    operation: 'GetBucketVersioning',
    method: 'GET',
    on: 'bucket',
    query: 'versioning',
    run: getBucketVersioning,
  },
  { operation: 'ListObjectVersions', method: 'GET', on: 'bucket', query: 'versions' },
  { operation: 'GetBucketWebsite', method: 'GET', on: 'bucket', query: 'website' },
  {
    operation: 'ListObjectsV2',
    method: 'GET',
    on: 'bucket',
    query: 'list-type=2',
    run: listObjectsV2,
  },
  { operation: 'ListObjects', method: 'GET', on: 'bucket', run: listObjects },
  { operation: 'HeadBucket', method: 'HEAD', on: 'bucket', run: headBucket },

  {
    operation: 'PutBucketAccelerateConfiguration',
    method: 'PUT',
    on: 'bucket',
    query: 'accelerate',
  },
  { operation: 'PutBucketAcl', method: 'PUT', on: 'bucket', query: 'acl' },
  { operation: 'PutBucketAnalyticsConfiguration', method: 'PUT', on: 'bucket', query: 'analytics' },
  { operation: 'PutBucketCors', method: 'PUT', on: 'bucket', query: 'cors' },
  { operation: 'PutBucketEncryption', method: 'PUT', on: 'bucket', query: 'encryption' },
  {
    operation: 'PutBucketIntelligentTieringConfiguration',
    method: 'PUT',
    on: 'bucket',
    query: 'intelligent-tiering',
  },
  { operation: 'PutBucketInventoryConfiguration', method: 'PUT', on: 'bucket', query: 'inventory' },
  { operation: 'PutBucketLifecycleConfiguration', method: 'PUT', on: 'bucket', query: 'lifecycle' },
  { operation: 'PutBucketLogging', method: 'PUT', on: 'bucket', query: 'logging' },
  {
    operation: 'UpdateBucketMetadataConfiguration',
    method: 'PUT',
    on: 'bucket',
    query: 'metadataInventoryTable',
  },
  { operation: 'PutBucketMetricsConfiguration', method: 'PUT', on: 'bucket', query: 'metrics' },
  { operation: 'PutBucketNotification', method: 'PUT', on: 'bucket', query: 'notification' },
  { operation: 'PutObjectLockConfiguration', method: 'PUT', on: 'bucket', query: 'object-lock' },
  {
    operation: 'PutBucketOwnershipControls',
    method: 'PUT',
    on: 'bucket',
    query: 'ownershipControls',
  },
  { operation: 'PutBucketPolicy', method: 'PUT', on: 'bucket', query: 'policy' },
  { operation: 'PutPublicAccessBlock', method: 'PUT', on: 'bucket', query: 'publicAccessBlock' },
  { operation: 'PutBucketReplication', method: 'PUT', on: 'bucket', query: 'replication' },
  { operation: 'PutBucketRequestPayment', method: 'PUT', on: 'bucket', query: 'requestPayment' },
  { operation: 'PutBucketTagging', method: 'PUT', on: 'bucket', query: 'tagging' },
  { operation: 'PutBucketVersioning', method: 'PUT', on: 'bucket', query: 'versioning' },
  { operation: 'PutBucketWebsite', method: 'PUT', on: 'bucket', query: 'website' },
  { operation: 'CreateBucket', method: 'PUT', on: 'bucket', run: createBucket },

  {
    operation: 'DeleteBucketAnalyticsConfiguration',
    method: 'DELETE',
    on: 'bucket',
    query: 'analytics',
  },
  { operation: 'DeleteBucketCors', method: 'DELETE', on: 'bucket', query: 'cors' },
  { operation: 'DeleteBucketEncryption', method: 'DELETE', on: 'bucket', query: 'encryption' },
  {
    operation: 'DeleteBucketIntelligentTieringConfiguration',
    method: 'DELETE',
    on: 'bucket',
    query: 'intelligent-tiering',
  },
  {
    operation: 'DeleteBucketInventoryConfiguration',
    method: 'DELETE',
    on: 'bucket',
    query: 'inventory',
  },
  { operation: 'DeleteBucketLifecycle', method: 'DELETE', on: 'bucket', query: 'lifecycle' },
  {
    operation: 'DeleteBucketMetadataConfiguration',
    method: 'DELETE',
    on: 'bucket',
    query: 'metadataConfiguration',
  },
  {
    operation: 'DeleteBucketMetadataTableConfiguration',
    method: 'DELETE',
    on: 'bucket',
    query: 'metadataTable',
  },
  {
    operation: 'DeleteBucketMetricsConfiguration',
    method: 'DELETE',
    on: 'bucket',
    query: 'metrics',
  },
  {
    operation: 'DeleteBucketOwnershipControls',
    method: 'DELETE',
    on: 'bucket',
    query: 'ownershipControls',
  },
  { operation: 'DeleteBucketPolicy', method: 'DELETE', on: 'bucket', query: 'policy' },
  {
    operation: 'DeletePublicAccessBlock',
    method: 'DELETE',
    on: 'bucket',
    query: 'publicAccessBlock',
  },
  { operation: 'DeleteBucketReplication', method: 'DELETE', on: 'bucket', query: 'replication' },
  { operation: 'DeleteBucketTagging', method: 'DELETE', on: 'bucket', query: 'tagging' },
  { operation: 'DeleteBucketWebsite', method: 'DELETE', on: 'bucket', query: 'website' },
  { operation: 'DeleteBucket', method: 'DELETE', on: 'bucket', run: deleteBucket },

  { operation: 'DeleteObjects', method: 'POST', on: 'bucket', query: 'delete', run: deleteObjects },
  {
    operation: 'CreateBucketMetadataConfiguration',
    method: 'POST',
    on: 'bucket',
    query: 'metadataConfiguration',
  },
  {
    operation: 'CreateBucketMetadataTableConfiguration',
    method: 'POST',
    on: 'bucket',
    query: 'metadataTable',
  },
  { operation: 'PostObject', method: 'POST', on: 'bucket' },
  { operation: 'CorsPreflight', method: 'OPTIONS', on: 'bucket' },

  { operation: 'GetObjectAcl', method: 'GET', on: 'object', query: 'acl', run: getObjectAcl },
  {
    operation: 'GetObjectAttributes',
    method: 'GET',
    on: 'object',
    query: 'attributes',
    run: getObjectAttributes,
  },
  { operation: 'GetObjectLegalHold', method: 'GET', on: 'object', query: 'legal-hold' },
  { operation: 'GetObjectRetention', method: 'GET', on: 'object', query: 'retention' },
  {
    operation: 'GetObjectTagging',
    method: 'GET',
    on: 'object',
    query: 'tagging',
    run: getObjectTagging,
  },
  { operation: 'GetObjectTorrent', method: 'GET', on: 'object', query: 'torrent' },
  { operation: 'ListParts', method: 'GET', on: 'object', query: 'uploadId', run: listParts },
  { operation: 'GetObject', method: 'GET', on: 'object', run: getObject },
  { operation: 'HeadObject', method: 'HEAD', on: 'object', run: headObject },

  { operation: 'PutObjectAcl', method: 'PUT', on: 'object', query: 'acl' },
  { operation: 'UpdateObjectEncryption', method: 'PUT', on: 'object', query: 'encryption' },
  { operation: 'PutObjectLegalHold', method: 'PUT', on: 'object', query: 'legal-hold' },
  { operation: 'RenameObject', method: 'PUT', on: 'object', query: 'renameObject' },
  { operation: 'PutObjectRetention', method: 'PUT', on: 'object', query: 'retention' },
  { operation: 'PutObjectTagging', method: 'PUT', on: 'object', query: 'tagging' },
  {
    operation: 'UploadPartCopy',
    method: 'PUT',
    on: 'object',
    query: 'uploadId',
    header: copySource,
    run: uploadPartCopy,
  },
  { operation: 'UploadPart', method: 'PUT', on: 'object', query: 'uploadId', run: uploadPart },
  { operation: 'CopyObject', method: 'PUT', on: 'object', header: copySource, run: copyObject },
  { operation: 'PutObject', method: 'PUT', on: 'object', run: putObject },

  { operation: 'DeleteObjectTagging', method: 'DELETE', on: 'object', query: 'tagging' },
  {
    operation: 'AbortMultipartUpload',
    method: 'DELETE',
    on: 'object',
    query: 'uploadId',
    run: abortMultipartUpload,
  },
  { operation: 'DeleteObject', method: 'DELETE', on: 'object', run: deleteObject },

  { operation: 'RestoreObject', method: 'POST', on: 'object', query: 'restore' },
  { operation: 'SelectObjectContent', method: 'POST', on: 'object', query: 'select' },
  {
    operation: 'CreateMultipartUpload',
    method: 'POST',
    on: 'object',
    query: 'uploads',
    run: createMultipartUpload,
  },
  {
    operation: 'CompleteMultipartUpload',
    method: 'POST',
    on: 'object',
    query: 'uploadId',
    run: completeMultipartUpload,
  },
  { operation: 'CorsPreflight', method: 'OPTIONS', on: 'object' },
];
