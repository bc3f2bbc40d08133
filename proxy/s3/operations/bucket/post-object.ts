/**
 * PostObject: a browser's form.
 *
 * 1. The fields up to the file; who signed their policy, and whether they keep within it.
 * 2. The fields become the headers of a PUT, and the file its body.
 * 3. The answer is what the form asks for: nothing, a document, or a redirect.
 */
import type { ObjectInfo } from '../../../objects/index.ts';
import { openBucket } from '../../access.ts';
import { checkedKey } from '../../address.ts';
import { fallbackAlgorithm } from '../../body/checksum-algorithms.ts';
import { checkedSums } from '../../body/open-body.ts';
import { checksumHeaders } from '../../checksum-headers.ts';
import { encodeTags, objectTagsMax, parseTagSet } from '../../config/tags.ts';
import type { Operation, S3Reply, S3Request } from '../../context.ts';
import { objectLocation } from '../../object-location.ts';
import { checkPostPolicy, parsePostPolicy, withinLengths } from '../../post/post-policy.ts';
import { readForm, type UploadForm } from '../../post/read-form.ts';
import { emptyReply, xmlReply } from '../../reply.ts';
import { S3Failure } from '../../s3-failure.ts';
import { writtenVersion } from '../../serve-object.ts';
import { authenticateForm } from '../../sigv4/authenticate-form.ts';
import { encryptionHeaders, writeKeyOf } from '../../sse.ts';
import { fieldsOfWrite } from '../../write-fields.ts';
import { parseXml } from '../../xml/parse.ts';
import { element, plainDocument } from '../../xml/write.ts';
import { versionOf } from '../object/put-object.ts';

export const postObject: Operation = async (sent, services) => {
  const form = await readForm(sent);
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what the form says.
  const key = form.fields.get('key')?.replaceAll('${filename}', () => form.filename);
  if (key === undefined || key === '')
    throw new S3Failure('UserKeyMustBeSpecified', {
      message:
        "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
    });
  const proof = await authenticateForm(form.fields, services.proving);
  const policyText = form.fields.get('policy');
  const policy = policyText === undefined ? undefined : parsePostPolicy(policyText);
  const fields = new Map(form.fields).set('key', key);
  if (policy !== undefined)
    checkPostPolicy(policy, fields, { bucket: sent.bucket, nowMs: sent.nowMs });
  const request: S3Request = {
    ...sent,
    key: checkedKey(key),
    head: { ...sent.head, headers: headersOf(form, sent) },
    caller: proof?.caller,
    signature: proof?.signature,
  };
  const container = await openBucket(request, services, 's3:PutObject');
  // How long the file is nobody says; whoever is over the quota already adds nothing.
  await services.quotas.check(container, Number(sent.head.headers.get('content-length') ?? 0));
  const object = await fieldsOfWrite(request, container, services);
  const encryption = await writeKeyOf(request, container, services);
  const file = withinLengths(form.file, policy?.lengths);
  const fallback = fallbackAlgorithm(services.settings.defaultChecksum);
  const summed = await checkedSums(request.head, file, fallback);
  const { info } = await services.objects.objects.put({
    container,
    name: request.key,
    ...object,
    body: summed.body,
    mode: 'strict',
    onBodyEnd: () => ({ checksums: summed.checksums() }),
    ...(summed.md5 === undefined ? {} : { expectedMd5: summed.md5 }),
    ...(encryption === undefined ? {} : { encryption }),
  });
  const about = { container, key: request.key, size: info.size, etag: info.etag };
  services.notifier.tell(request, { event: 'ObjectCreated:Post', ...about, ...versionOf(info) });
  return answer(request, fields, info);
};

/** The form's fields as the headers that a PUT would have. */
function headersOf(form: UploadForm, { head }: S3Request): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  const host = head.headers.get('host');
  if (host !== undefined) headers.set('host', host);
  for (const [name, value] of form.fields) {
    const raw = Buffer.from(value, 'utf8').toString('latin1');
    if (name === 'acl') headers.set('x-amz-acl', raw);
    else if (name === 'tagging') headers.set('x-amz-tagging', tagsOfField(value));
    else if (name.startsWith('x-amz-') || formHeaders.has(name)) headers.set(name, raw);
  }
  return headers;
}

const formHeaders = new Set([
  ...['cache-control', 'content-type', 'content-disposition', 'content-encoding'],
  ...['content-language', 'content-md5', 'expires'],
]);

function tagsOfField(document: string): string {
  const root = parseXml(Buffer.from(document), { roots: ['Tagging'], tagsMax: 200 });
  return encodeTags(parseTagSet(root, objectTagsMax));
}

function answer(
  request: S3Request,
  fields: ReadonlyMap<string, string>,
  info: ObjectInfo,
): S3Reply {
  const location = objectLocation(request);
  const headers = {
    etag: `"${info.etag}"`,
    location,
    ...checksumHeaders(info.checksums),
    ...writtenVersion(info),
    ...encryptionHeaders(info.system),
  };
  const redirect = fields.get('success_action_redirect') ?? fields.get('redirect');
  if (redirect !== undefined && URL.canParse(redirect)) {
    const url = new URL(redirect);
    if (url.protocol === 'http:' || url.protocol === 'https:') {
      url.searchParams.set('bucket', request.bucket);
      url.searchParams.set('key', request.key);
      url.searchParams.set('etag', `"${info.etag}"`);
      return emptyReply(303, { ...headers, location: url.href });
    }
  }
  const status = fields.get('success_action_status');
  if (status === '200') return emptyReply(200, headers);
  if (status !== '201') return emptyReply(204, headers);
  const inner =
    element('Location', location) +
    element('Bucket', request.bucket) +
    element('Key', request.key) +
    element('ETag', `"${info.etag}"`);
  return xmlReply(201, plainDocument('PostResponse', inner), headers);
}
