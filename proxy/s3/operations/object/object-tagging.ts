/** GetObjectTagging, PutObjectTagging, DeleteObjectTagging. */
import type { ObjectInfo } from '../../../objects/index.ts';
import { checkMayDo } from '../../access.ts';
import { readDocument } from '../../body/read-document.ts';
import { changeObject } from '../../change-object.ts';
import {
  encodeTags,
  objectTagsMax,
  parseTagSet,
  renderTagSet,
  tagsField,
  tagsOf,
} from '../../config/tags.ts';
import type { Operation } from '../../context.ts';
import { describeStored, wantedOf } from '../../find-object.ts';
import { emptyReply, xmlReply } from '../../reply.ts';
import { parseXml } from '../../xml/parse.ts';
import { s3Document } from '../../xml/write.ts';

function versionHeader({ versionId }: ObjectInfo): Record<string, string> {
  return versionId === undefined ? {} : { 'x-amz-version-id': versionId };
}

export const getObjectTagging: Operation = async (request, services) => {
  const wanted = wantedOf(request, 's3:GetObjectTagging', 's3:GetObjectVersionTagging');
  const { object } = await describeStored(wanted, request, services);
  const inner = renderTagSet(tagsOf(object.system));
  return xmlReply(200, s3Document('Tagging', inner), versionHeader(object));
};

export const putObjectTagging: Operation = async (request, services) => {
  const wanted = wantedOf(request, 's3:PutObjectTagging', 's3:PutObjectVersionTagging');
  const document = await readDocument(request, services.settings.documentBytesMax);
  const root = parseXml(document, { roots: ['Tagging'], tagsMax: 200 });
  const requestTags = parseTagSet(root, objectTagsMax);
  const tagged = { ...request, requestTags };
  const { container } = await describeStored(wanted, tagged, services);
  const changed = await changeObject(services, { container, wanted }, (present) => {
    const action = wanted.versionId === undefined ? wanted.action : wanted.versionAction;
    checkMayDo(tagged, container, action, { key: request.key, info: present });
    return { [tagsField]: requestTags.length === 0 ? undefined : encodeTags(requestTags) };
  });
  services.notifier.tell(request, { event: 'ObjectTagging:Put', container, key: request.key });
  return emptyReply(200, versionHeader(changed));
};

export const deleteObjectTagging: Operation = async (request, services) => {
  const wanted = wantedOf(request, 's3:DeleteObjectTagging', 's3:DeleteObjectVersionTagging');
  const { container } = await describeStored(wanted, request, services);
  const changed = await changeObject(services, { container, wanted }, () => ({
    [tagsField]: undefined,
  }));
  services.notifier.tell(request, { event: 'ObjectTagging:Delete', container, key: request.key });
  return emptyReply(204, versionHeader(changed));
};
