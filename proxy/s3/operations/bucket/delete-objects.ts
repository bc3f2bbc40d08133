/** DeleteObjects: up to 1,000 at once, each with its own outcome. */
import { isFailure } from '#common';
import type { Container } from '../../../objects/index.ts';
import { openBucket } from '../../access.ts';
import { keyBytesMax } from '../../address.ts';
import { readDocument } from '../../body/read-document.ts';
import { bareEtag } from '../../conditions.ts';
import type { Operation, S3Services } from '../../context.ts';
import { renderedError } from '../../render-error.ts';
import { xmlReply } from '../../reply.ts';
import { S3Failure } from '../../s3-failure.ts';
import { checkVersionId } from '../../version-id.ts';
import { parseXml, type XmlNode } from '../../xml/parse.ts';
import { element, optionalElement, s3Document, wrap } from '../../xml/write.ts';

const keysMax = 1000;
// Each object may have a key, a version, an ETag and two conditions.
const tagsMax = keysMax * 12 + 100;

interface Victim {
  readonly key: string;
  readonly versionId: string | undefined;
  readonly etag: string | undefined;
}

export const deleteObjects: Operation = async (request, services) => {
  const container = await openBucket(request, services, 'write');
  const document = await readDocument(request, services.settings.documentBytesMax);
  if (document.length === 0) throw new S3Failure('MissingRequestBodyError');
  const root = parseXml(document, { roots: ['Delete'], tagsMax });
  const quiet = root.childText('Quiet')?.trim().toLowerCase() === 'true';
  const nodes = root.children('Object');
  if (nodes.length === 0 || nodes.length > keysMax) throw new S3Failure('MalformedXML');
  const victims = nodes.map(parseVictim);
  const outcomes = await deleteAll(services, container, victims);
  const shown = victims.map((victim, at) => render(victim, outcomes[at], quiet));
  return xmlReply(200, s3Document('DeleteResult', shown.join('')));
};

function parseVictim(node: XmlNode): Victim {
  const key = node.childText('Key');
  if (key === undefined || key === '') throw new S3Failure('MalformedXML');
  for (const name of ['LastModifiedTime', 'Size'])
    if (node.children(name).length > 0) throw new S3Failure('NotImplemented');
  const etag = node.childText('ETag');
  return {
    key,
    versionId: node.childText('VersionId'),
    etag: etag === undefined ? undefined : bareEtag(etag),
  };
}

/** A fixed number of workers take the keys in turn; an outcome is what was thrown, or undefined. */
async function deleteAll(
  services: S3Services,
  container: Container,
  victims: readonly Victim[],
): Promise<readonly unknown[]> {
  const outcomes: unknown[] = new Array(victims.length);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < victims.length; at = next++) {
      const victim = victims[at];
      if (victim !== undefined) outcomes[at] = await deleteOne(services, container, victim);
    }
  };
  const workers = Math.min(services.settings.deletesInFlightMax, victims.length);
  await Promise.all(Array.from({ length: workers }, work));
  return outcomes;
}

async function deleteOne(
  services: S3Services,
  container: Container,
  { key, versionId, etag }: Victim,
): Promise<unknown> {
  try {
    if (Buffer.byteLength(key) > keyBytesMax) throw new S3Failure('KeyTooLongError');
    checkVersionId(versionId);
    const conditions = etag === undefined ? {} : { conditions: { ifMatch: [etag] } };
    await services.objects.objects.delete(
      { container, name: key },
      { mode: 'strict', ...conditions },
    );
    return undefined;
  } catch (error) {
    const gone = isFailure(error, 'missing') && error.code === 'object-missing';
    return gone && etag === undefined ? undefined : error;
  }
}

function render(victim: Victim, thrown: unknown, quiet: boolean): string {
  const named = element('Key', victim.key) + optionalElement('VersionId', victim.versionId);
  if (thrown === undefined) return quiet ? '' : wrap('Deleted', named);
  const { code, message } = renderedError(thrown);
  return wrap('Error', named + element('Code', code) + element('Message', message));
}
