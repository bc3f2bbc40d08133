/** DeleteObject: deleting what is not there is fine. With a version id that version goes for good; where versions are kept, a marker is made. */
import type { Container, DeleteOutcome } from '../../../objects/index.ts';
import { mayDo, openBucket } from '../../access.ts';
import { conditionally, deleteConditions } from '../../conditions.ts';
import type { Operation, S3Request, S3Services } from '../../context.ts';
import { checkVersionIdText } from '../../find-object.ts';
import { emptyReply } from '../../reply.ts';

export const deleteObject: Operation = async (request, services) => {
  const { key } = request;
  const versionId = request.query.get('versionId');
  checkVersionIdText(versionId);
  const action = versionId === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion';
  const container = await openBucket(request, services, action);
  const conditions = deleteConditions(request.head);
  const remove = () =>
    services.objects.objects.delete(
      { container, name: key },
      {
        mode: 'strict',
        bypassGovernance: bypassesGovernance(request, container, key),
        ...(versionId === undefined ? {} : { versionId }),
        ...(conditions === undefined ? {} : { conditions }),
      },
    );
  const done = await conditionally(remove, conditions);
  tellDeleted(request, services, { container, key, done });
  return emptyReply(204, {
    ...(done.versionId === undefined ? {} : { 'x-amz-version-id': done.versionId }),
    ...(done.deleteMarker === true ? { 'x-amz-delete-marker': 'true' } : {}),
  });
};

/** The caller asks for it, and may. */
export function bypassesGovernance(request: S3Request, container: Container, key: string): boolean {
  const asked = request.head.headers.get('x-amz-bypass-governance-retention');
  return (
    asked?.toLowerCase() === 'true' &&
    mayDo(request, container, 's3:BypassGovernanceRetention', { key })
  );
}

export function tellDeleted(
  request: S3Request,
  services: S3Services,
  {
    container,
    key,
    done,
  }: { readonly container: Container; readonly key: string; readonly done: DeleteOutcome },
): void {
  const made = done.deleteMarker === true && request.query.get('versionId') === undefined;
  services.notifier.tell(request, {
    event: made ? 'ObjectRemoved:DeleteMarkerCreated' : 'ObjectRemoved:Delete',
    container,
    key,
    ...(done.versionId === undefined ? {} : { versionId: done.versionId }),
  });
}
