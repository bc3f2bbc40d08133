/** Version ids: without versioning every object has the one version that is called `null`. */
import { invalidArgument, S3Failure } from './s3-failure.ts';

export function checkVersionId(versionId: string | undefined): void {
  if (versionId === undefined || versionId === 'null') return;
  if (versionId === '')
    throw invalidArgument('versionId', '', 'Version id cannot be the empty string');
  throw new S3Failure('NoSuchVersion', { details: { VersionId: versionId } });
}
