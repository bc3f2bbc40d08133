/** The actions of S3 that a bucket's policy may name, by what they are done to: a misspelt one would allow, or deny, nothing and tell nobody. */
import { matchesGlob } from './glob.ts';

const words = (text: string): readonly string[] => text.trim().toLowerCase().split(/\s+/);

const onObjects = words(`
  AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectTagging DeleteObjectVersion
  DeleteObjectVersionTagging GetObject GetObjectAcl GetObjectAttributes GetObjectLegalHold GetObjectRetention
  GetObjectTagging GetObjectTorrent GetObjectVersion GetObjectVersionAcl GetObjectVersionAttributes
  GetObjectVersionForReplication GetObjectVersionTagging GetObjectVersionTorrent InitiateReplication
  ListMultipartUploadParts ObjectOwnerOverrideToBucketOwner PutObject PutObjectAcl PutObjectLegalHold
  PutObjectRetention PutObjectTagging PutObjectVersionAcl PutObjectVersionTagging ReplicateDelete ReplicateObject
  ReplicateTags RestoreObject UpdateObjectEncryption DeleteObjectAnnotation GetObjectAnnotation
  ListObjectAnnotations PutObjectAnnotation`);

const onBuckets = words(`
  CreateBucket CreateBucketMetadataTableConfiguration DeleteBucket DeleteBucketMetadataTableConfiguration
  DeleteBucketPolicy DeleteBucketWebsite GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac
  GetBucketAcl GetBucketCORS GetBucketLocation GetBucketLogging GetBucketMetadataTableConfiguration
  GetBucketNotification GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy
  GetBucketPolicyStatus GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging GetBucketVersioning
  GetBucketWebsite GetEncryptionConfiguration GetIntelligentTieringConfiguration GetInventoryConfiguration
  GetLifecycleConfiguration GetMetricsConfiguration GetReplicationConfiguration ListBucket
  ListBucketMultipartUploads ListBucketVersions ListTagsForResource PutAccelerateConfiguration
  PutAnalyticsConfiguration PutBucketAbac PutBucketAcl PutBucketCORS PutBucketLogging PutBucketNotification
  PutBucketObjectLockConfiguration PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock
  PutBucketRequestPayment PutBucketTagging PutBucketVersioning PutBucketWebsite PutEncryptionConfiguration
  PutIntelligentTieringConfiguration PutInventoryConfiguration PutLifecycleConfiguration PutMetricsConfiguration
  PutReplicationConfiguration TagResource UntagResource UpdateBucketMetadataInventoryTableConfiguration
  UpdateBucketMetadataJournalTableConfiguration`);

interface Fit {
  readonly objects: boolean;
  readonly buckets: boolean;
}

/** What an action, perhaps with wildcards, is done to; neither for one that S3 does not know. */
export function fitOf(action: string): Fit {
  const pattern = action.toLowerCase().replace(/^s3(-object-lambda)?:/, '');
  const fits = (name: string): boolean => matchesGlob(pattern, name);
  return { objects: onObjects.some(fits), buckets: onBuckets.some(fits) };
}

export function isKnownAction(action: string): boolean {
  const { objects, buckets } = fitOf(action);
  return objects || buckets;
}

/** Whether something of what an action is done to is among the resources: all of them of one bucket. */
export function appliesTo(action: string, resources: readonly string[]): boolean {
  const fit = fitOf(action);
  return resources.some((resource) => {
    const path = resource.slice(resource.lastIndexOf(':', resource.indexOf('/') >>> 0) + 1);
    const hasKey = path.includes('/');
    const isOpen = /[*?]/.test(path) || path.includes('${');
    return (fit.objects && (hasKey || isOpen)) || (fit.buckets && !hasKey);
  });
}
