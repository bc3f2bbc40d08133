/** Secrets: made, listed, shown, their payload stored once and read, deleted. */
import Type from 'typebox';
import type { ApiReply, Route } from '#cloud/api';
import { callerOf, json, projectOf, type Request, route, type SecretCaller } from '../caller.ts';
import type { SecretCore } from '../core.ts';
import { conflict, invalid, missing } from '../failures.ts';
import { pageReply, pagingOf } from '../paging.ts';
import { answerType, payloadOfBody, payloadOfBytes } from '../payloads.ts';
import { consumersOf, secretOf, secretTarget } from '../rows.ts';
import { payloadBytesLimit } from '../settings.ts';
import { deleteSecret, insertSecret, storePayload } from '../store.ts';
import type { SecretRow } from '../tables.ts';
import { refOf, secretView } from '../views.ts';
import { selectSecrets } from './secret-list.ts';
import { expirationOf } from './times.ts';

export const secretTypes = [
  ...['symmetric', 'passphrase', 'private', 'public', 'certificate', 'opaque'],
] as const;

// The largest payload that may be set as base64 in JSON, each byte perhaps escaped.
const bodyBytesMax = payloadBytesLimit * 6 + 16_384;

const short = (length = 255) => Type.Optional(Type.String({ maxLength: length }));

const newSecret = Type.Object({
  name: Type.Optional(Type.Union([Type.String({ maxLength: 255 }), Type.Null()])),
  algorithm: short(),
  mode: short(),
  bit_length: Type.Optional(Type.Integer({ minimum: 1, maximum: 32_767 })),
  expiration: Type.Optional(Type.Union([Type.String({ maxLength: 255 }), Type.Null()])),
  payload: Type.Optional(Type.String()),
  secret_type: Type.Optional(Type.Enum([...secretTypes])),
  payload_content_type: Type.Optional(Type.Union([Type.String({ maxLength: 255 }), Type.Null()])),
  payload_content_encoding: Type.Optional(Type.Enum(['base64'])),
  transport_key_needed: Type.Optional(Type.Enum(['true', 'false'])),
  transport_key_id: Type.Optional(Type.String()),
});

export function secretRoutes(core: SecretCore): Route<SecretCaller>[] {
  const target = secretTarget(core);
  return [
    route({
      method: 'GET',
      path: '/v1/secrets',
      policy: 'secrets:get',
      handle: (request) => listSecrets(core, request),
    }),
    route({
      method: 'POST',
      path: '/v1/secrets',
      policy: 'secrets:post',
      mediaTypes: json,
      bodyBytesMax,
      body: newSecret,
      handle: async (request) => {
        const row = await createSecret(core, request, request.body);
        const ref = refOf(request, 'secrets', row.id);
        return { status: 201, headers: { Location: ref }, body: { secret_ref: ref } };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/secrets/:secret_id',
      policy: 'secret:get',
      target,
      handle: async (request) => {
        const row = await secretOf(core, request);
        const { accept } = request.headers;
        // What asks for something else than JSON wants the payload: an older way to read it.
        if (accept !== undefined && accept !== 'application/json' && accept !== '*/*')
          return await payloadReply(core, request, row);
        const consumers = await consumersOf(core.db, row.id);
        return { body: secretView(request, row, versioned(request, consumers)) };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/secrets/:secret_id/payload',
      policy: 'secret:decrypt',
      target,
      handle: async (request) => payloadReply(core, request, await secretOf(core, request)),
    }),
    route({
      method: 'PUT',
      path: '/v1/secrets/:secret_id',
      policy: 'secret:put',
      target,
      body: 'stream',
      mediaTypes: ['application/octet-stream', 'text/plain'],
      bodyBytesMax,
      handle: (request) => putPayload(core, request),
    }),
    route({
      method: 'DELETE',
      path: '/v1/secrets/:secret_id',
      policy: 'secret:delete',
      target,
      handle: async (request) => {
        await core.change(async (tx) => deleteSecret(core, tx, await secretOf(core, request, tx)));
        return { status: 204 };
      },
    }),
  ];
}

/** Consumers of secrets came with 1.1. */
export const versioned = <T>(request: Request, value: T): T | undefined =>
  request.within({ from: '1.1' }) ? value : undefined;

interface NewSecret {
  readonly name?: string | null;
  readonly algorithm?: string;
  readonly mode?: string;
  readonly bit_length?: number;
  readonly expiration?: string | null;
  readonly payload?: string;
  readonly secret_type?: string;
  readonly payload_content_type?: string | null;
  readonly payload_content_encoding?: string;
  readonly transport_key_needed?: string;
  readonly transport_key_id?: string;
}

async function createSecret(
  core: SecretCore,
  request: Request,
  given: NewSecret,
): Promise<SecretRow> {
  const projectId = projectOf(request);
  const now = core.nowUs();
  const expiresUs = expirationOf(given.expiration, now);
  const payload = payloadOfBody(given, core.settings.payloadBytesMax);
  if (given.transport_key_needed === 'true')
    throw invalid('Secret creation issue seen - Secret store supported plugin not found..');
  if (given.transport_key_id !== undefined)
    throw invalid('Secret creation issue seen - Provided transport key was not found..');
  return await insertSecret(core, {
    id: core.newId(),
    projectId,
    creatorId: callerOf(request).userId,
    name: given.name?.trim() ?? null,
    secretType: given.secret_type ?? 'opaque',
    algorithm: given.algorithm ?? null,
    bitLength: given.bit_length ?? null,
    mode: given.mode ?? null,
    expiresUs,
    payload,
  });
}

async function putPayload(
  core: SecretCore,
  request: Request<AsyncIterable<Uint8Array>>,
): Promise<ApiReply> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request.body) chunks.push(chunk);
  const encoding = request.headers['content-encoding'];
  const payload = payloadOfBytes(
    Buffer.concat(chunks),
    { type: request.headers['content-type'] ?? '', encoding },
    core.settings.payloadBytesMax,
  );
  const { id } = await secretOf(core, request);
  const stored = await storePayload(core, id, payload);
  if (!stored) throw conflict('Secret already has data, cannot modify it.');
  return { status: 204 };
}

async function payloadReply(core: SecretCore, request: Request, row: SecretRow): Promise<ApiReply> {
  if (row.payload === null || row.sealed_key === null || row.content_type === null)
    throw missing('Not Found. Sorry but your secret has no payload.');
  const sealed = { payload: row.payload, sealed_key: row.sealed_key };
  const bytes = await core.sealing.open(row.id, sealed);
  const type = answerType(request.headers.accept, { contentType: row.content_type, bytes });
  return {
    headers: { 'Content-Type': type, 'Content-Length': String(bytes.length) },
    stream: async function* () {
      yield bytes;
    },
  };
}

async function listSecrets(core: SecretCore, request: Request): Promise<ApiReply> {
  const page = pagingOf(core, request);
  const { rows, total } = await selectSecrets(core, request, page);
  const entries = [];
  for (const row of rows)
    entries.push(secretView(request, row, versioned(request, await consumersOf(core.db, row.id))));
  return pageReply(request, 'secrets', 'secrets', { ...page, total, entries });
}
