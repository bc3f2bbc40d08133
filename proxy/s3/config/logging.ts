/** Into which bucket the accesses to a bucket are written. */
import { isFailure } from '#common';
import { S3Failure } from '../s3-failure.ts';
import { element, wrap } from '../xml/write.ts';
import { type BucketDocument, malformed, onlyChild, requiredText } from './bucket-document.ts';

export interface Logging {
  /** Undefined: turned off. */
  readonly target: { readonly bucket: string; readonly prefix: string } | undefined;
}

export const loggingDocument: BucketDocument<Logging> = {
  field: 's3-logging',
  root: 'BucketLoggingStatus',
  tagsMax: 200,
  actions: { get: 's3:GetBucketLogging', put: 's3:PutBucketLogging' },
  absent: { inner: '' },
  parse: (root) => {
    const enabled = onlyChild(root, 'LoggingEnabled');
    if (enabled === undefined) return { target: undefined };
    if (enabled.children('TargetGrants').length > 0)
      throw new S3Failure('AccessControlListNotSupported');
    const prefix = enabled.childText('TargetPrefix');
    if (prefix === undefined) throw malformed();
    return { target: { bucket: requiredText(enabled, 'TargetBucket'), prefix } };
  },
  render: ({ target }) =>
    target === undefined
      ? ''
      : wrap(
          'LoggingEnabled',
          element('TargetBucket', target.bucket) + element('TargetPrefix', target.prefix),
        ),
  check: async ({ target }, { container, services }) => {
    if (target === undefined) return;
    try {
      await services.objects.containers.open(container.account, target.bucket);
    } catch (error) {
      if (!isFailure(error, 'missing') && !isFailure(error, 'invalid')) throw error;
      throw new S3Failure('InvalidTargetBucketForLogging', {
        details: { TargetBucket: target.bucket },
        cause: error,
      });
    }
  },
};
