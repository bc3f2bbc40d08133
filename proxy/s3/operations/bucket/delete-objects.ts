/** DeleteObjects: up to 1,000 at once, each with its own outcome. */

import type { Container, DeleteOutcome, WriteConditions } from '../../../objects/index.ts';
import { findBucket, mayDo } from '../../access.ts';
import { keyBytesMax } from '../../address.ts';
import { readDocument } from '../../body/read-document.ts';
import { bareEtag, parseSeconds } from '../../conditions.ts';
import type { Operation, S3Request, S3Services } from '../../context.ts';
import { storedEtag } from '../../manifest-etag.ts';
import { renderedError } from '../../render-error.ts';
import { xmlReply } from '../../reply.ts';
import { S3Failure } from '../../s3-failure.ts';
import { parseXml, type XmlNode } from '../../xml/parse.ts';
import { element, optionalElement, s3Document, wrap } from '../../xml/write.ts';
import { bypassesGovernance, tellDeleted } from '../object/delete-object.ts';

const keysMax = 1000;
// Each object may have a key, a version, an ETag and two conditions.
const tagsMax = keysMax * 12 + 100;

interface Victim {
  readonly key: string;
  readonly versionId: string | undefined;
  readonly conditions: WriteConditions | undefined;
}

type Outcome = { readonly done: DeleteOutcome } | { readonly thrown: unknown };

export const deleteObjects: Operation = async (request, services) => {
  const container = await findBucket(request.bucket, request, services);
  const document = await readDocument(request, services.settings.documentBytesMax);
  if (document.length === 0) throw new S3Failure('MissingRequestBodyError');
  const root = parseXml(document, { roots: ['Delete'], tagsMax });
  const quiet = root.childText('Quiet')?.trim().toLowerCase() === 'true';
  const nodes = root.children('Object');
  if (nodes.length === 0 || nodes.length > keysMax) throw new S3Failure('MalformedXML');
  const victims = nodes.map(parseVictim);
  // Whom nothing is allowed is told so once, rather than for each key.
  const mayAny = victims.some((victim) => mayDelete(request, container, victim));
  if (!mayAny && request.caller === undefined) throw new S3Failure('AccessDenied');
  const outcomes = await deleteAll(request, services, { container, victims });
  const shown = victims.map((victim, at) => {
    const outcome = outcomes[at];
    return outcome === undefined ? '' : render(victim, outcome, quiet);
  });
  return xmlReply(200, s3Document('DeleteResult', shown.join('')));
};

function parseVictim(node: XmlNode): Victim {
  const key = node.childText('Key');
  if (key === undefined) throw new S3Failure('MalformedXML');
  if (key === '') throw new S3Failure('UserKeyMustBeSpecified');
  const etag = node.childText('ETag');
  const modified = node.childText('LastModifiedTime');
  const size = node.childText('Size');
  if (size !== undefined && !/^\d{1,15}$/.test(size.trim())) throw new S3Failure('MalformedXML');
  const modifiedAtS = modified === undefined ? undefined : parseSeconds(modified.trim());
  if (modified !== undefined && modifiedAtS === undefined) throw new S3Failure('MalformedXML');
  const conditions: WriteConditions = {
    ...(etag === undefined ? {} : { ifMatch: [storedEtag(bareEtag(etag))] }),
    ...(size === undefined ? {} : { ifSize: Number(size) }),
    ...(modifiedAtS === undefined ? {} : { ifModifiedAtS: modifiedAtS }),
  };
  const versionId = node.childText('VersionId');
  return {
    key,
    versionId: versionId === '' ? undefined : versionId,
    conditions: Object.keys(conditions).length === 0 ? undefined : conditions,
  };
}

interface Deletion {
  readonly container: Container;
  readonly victims: readonly Victim[];
}

/** A fixed number of workers take the keys in turn. */
async function deleteAll(
  request: S3Request,
  services: S3Services,
  { container, victims }: Deletion,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = new Array(victims.length);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < victims.length; at = next++) {
      const victim = victims[at];
      if (victim !== undefined)
        outcomes[at] = await deleteOne(request, services, { container, victim });
    }
  };
  const workers = Math.min(services.settings.deletesInFlightMax, victims.length);
  await Promise.all(Array.from({ length: workers }, work));
  return outcomes;
}

function mayDelete(request: S3Request, container: Container, { key, versionId }: Victim): boolean {
  const action = versionId === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion';
  return mayDo(request, container, action, { key });
}

async function deleteOne(
  request: S3Request,
  services: S3Services,
  { container, victim }: { readonly container: Container; readonly victim: Victim },
): Promise<Outcome> {
  const { key, versionId, conditions } = victim;
  try {
    if (Buffer.byteLength(key) > keyBytesMax) throw new S3Failure('KeyTooLongError');
    if (!mayDelete(request, container, victim)) throw new S3Failure('AccessDenied');
    const ref = { container, name: key };
    const done = await services.objects.objects.delete(ref, {
      mode: 'strict',
      bypassGovernance: bypassesGovernance(request, container, key),
      ...(versionId === undefined ? {} : { versionId }),
      ...(conditions === undefined ? {} : { conditions }),
    });
    tellDeleted(request, services, { container, key, done });
    return { done };
  } catch (thrown) {
    return { thrown };
  }
}

function render(victim: Victim, outcome: Outcome, quiet: boolean): string {
  const named = element('Key', victim.key) + optionalElement('VersionId', victim.versionId);
  if ('thrown' in outcome) {
    const { code, message } = renderedError(outcome.thrown);
    return wrap('Error', named + element('Code', code) + element('Message', message));
  }
  if (quiet) return '';
  const { deleteMarker, versionId } = outcome.done;
  const marker =
    deleteMarker === true
      ? element('DeleteMarker', true) + optionalElement('DeleteMarkerVersionId', versionId)
      : '';
  return wrap('Deleted', named + marker);
}
