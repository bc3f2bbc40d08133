/** Locations: an object of this cloud becomes an image's data without a copy; where the data lies is for services to know. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { callerOf, type ImageCaller, projectOf, type Request, route } from '../caller.ts';
import { objectAt } from '../content/user-objects.ts';
import type { ImageCore } from '../core.ts';
import { conflict, invalid } from '../failures.ts';
import { getImage } from '../images/access.ts';
import { roomFor } from '../images/quotas.ts';
import type { ImageRecord } from '../images/records.ts';
import { hashAlgorithm, storeId } from '../images/view.ts';
import { startTask } from '../tasks/task-rows.ts';

const locationBody = Type.Object(
  {
    url: Type.String({ minLength: 1, maxLength: 4_096 }),
    validation_data: Type.Optional(
      Type.Object(
        {
          os_hash_algo: Type.Optional(Type.String({ maxLength: 64 })),
          os_hash_value: Type.Optional(Type.String({ maxLength: 128 })),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

interface ValidationData {
  readonly os_hash_algo?: string;
  readonly os_hash_value?: string;
}

export function locationRoutes(core: ImageCore): Route<ImageCaller>[] {
  return [
    route({
      method: 'POST',
      path: '/v2/images/:image_id/locations',
      policy: 'any-token',
      body: locationBody,
      handle: async (request) => {
        await addLocation(core, request);
        return { status: 202 };
      },
    }),
    route({
      method: 'GET',
      path: '/v2/images/:image_id/locations',
      policy: 'any-token',
      handle: async (request) => {
        const image = await getImage(core, request, 'fetch_image_location');
        return { body: locationsOf(image) };
      },
    }),
  ];
}

/** Nobody but this service reads there; it tells which images share their bytes. */
const locationsOf = ({ content_id: contentId }: ImageRecord) =>
  contentId === null ? [] : [{ url: `pileus://${contentId}`, metadata: { store: storeId } }];

async function addLocation(
  core: ImageCore,
  request: Request<{ readonly url: string; readonly validation_data?: ValidationData }>,
): Promise<void> {
  const { url, validation_data: wanted } = request.body;
  const image = await getImage(core, request, 'add_image_location');
  checkState(image);
  const sha512 = hashOf(wanted);
  const object = await objectAt(core, request, url);
  if (object === undefined)
    throw invalid(`Location ${url.slice(0, 255)} is invalid: it is no object of this cloud.`);
  await roomFor(core, image.owner, 'size_total');
  await core.change(async (tx) => {
    checkState(await getImage(core, request, 'get_image', tx));
    await startTask(core, tx, {
      type: 'location_import',
      owner: projectOf(request),
      imageId: image.id,
      userId: callerOf(request).userId,
      requestId: request.requestId,
      input: { image_id: image.id, loc_url: url, validation_data: wanted ?? {} },
      source: { method: 'location', uri: url, object, ...(sha512 === undefined ? {} : { sha512 }) },
    });
  });
}

function checkState(image: ImageRecord): void {
  if (image.status !== 'queued')
    throw conflict(
      `Location can only be added to an image in 'queued' state; image ${image.id} is ${image.status}`,
    );
  for (const name of ['container_format', 'disk_format'] as const)
    if (image[name] === null) throw conflict(`'${name}' needs to be set before a location is`);
}

function hashOf(wanted: ValidationData | undefined): string | undefined {
  if (wanted?.os_hash_algo === undefined && wanted?.os_hash_value === undefined) return undefined;
  const { os_hash_algo: algorithm, os_hash_value: value } = wanted;
  if (algorithm !== hashAlgorithm)
    throw invalid(`validation_data: 'os_hash_algo' must be ${hashAlgorithm}`);
  if (value === undefined || !/^[0-9a-fA-F]{128}$/.test(value))
    throw invalid("validation_data: 'os_hash_value' must be the 128 hex digits of a SHA-512");
  return value;
}
