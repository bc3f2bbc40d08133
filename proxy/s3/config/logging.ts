/** Into which bucket the accesses to a bucket are written. */
import { isFailure } from '#common';
import { S3Failure } from '../s3-failure.ts';
import { element, wrap } from '../xml/write.ts';
import { type LogKeyFormat, parseKeyFormat, renderKeyFormat } from './access-log-key.ts';
import { type BucketDocument, malformed, onlyChild, requiredText } from './bucket-document.ts';

export interface Logging {
  /** Undefined: turned off. */
  readonly target: LogTarget | undefined;
}

export interface LogTarget {
  readonly bucket: string;
  readonly prefix: string;
  readonly format: LogKeyFormat;
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
    const bucket = requiredText(enabled, 'TargetBucket');
    const format = parseKeyFormat(onlyChild(enabled, 'TargetObjectKeyFormat'));
    return { target: { bucket, prefix, format } };
  },
  render: ({ target }) =>
    target === undefined
      ? ''
      : wrap(
          'LoggingEnabled',
          element('TargetBucket', target.bucket) +
            element('TargetPrefix', target.prefix) +
            renderKeyFormat(target.format),
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
