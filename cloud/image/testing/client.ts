/** A plain client of a test's image service. */
import type { Readable } from 'node:stream';
import { request } from 'undici';
import type { World } from './world.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  readonly json: Json;
}
export type Json = { readonly [name: string]: JsonValue };
export type JsonValue = string | number | boolean | null | undefined | Json | readonly Json[];

export interface CallOptions {
  readonly body?: unknown;
  readonly raw?: Buffer | Readable;
  readonly headers?: Record<string, string>;
}

export async function send(
  url: string,
  token: string,
  method: string,
  { body, raw, headers: extra }: CallOptions,
): Promise<Answer> {
  const type = raw === undefined ? 'application/json' : 'application/octet-stream';
  const headers: Record<string, string> = { 'x-auth-token': token };
  if (body !== undefined || raw !== undefined) headers['content-type'] = type;
  Object.assign(headers, extra);
  const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const answer = await request(url, {
    method: method as 'GET',
    headers,
    ...(payload === undefined ? {} : { body: payload }),
  });
  const bytes = Buffer.from(await answer.body.arrayBuffer());
  const isJson = String(answer.headers['content-type']).startsWith('application/json');
  const json = isJson && bytes.length > 0 ? (JSON.parse(bytes.toString('utf8')) as Json) : {};
  return { status: answer.statusCode, headers: answer.headers, bytes, json };
}

/** Sends a JSON patch. */
export const patch = (world: World, token: string, id: string, changes: unknown) =>
  world.call(token, 'PATCH', `/v2/images/${id}`, {
    body: changes,
    headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' },
  });

export function textOf(value: JsonValue | undefined): string {
  if (typeof value !== 'string') throw new Error(`no text: ${JSON.stringify(value)}`);
  return value;
}

/** Makes an image, with data when there is some; returns its id. */
export async function newImage(
  world: World,
  token: string,
  fields: object = {},
  data?: Buffer,
): Promise<string> {
  const body = { disk_format: 'raw', container_format: 'bare', ...fields };
  const made = await world.call(token, 'POST', '/v2/images', { body });
  if (made.status !== 201) throw new Error(`create answered ${made.status} ${made.bytes}`);
  const id = textOf(made.json.id);
  if (data === undefined) return id;
  const put = await world.call(token, 'PUT', `/v2/images/${id}/file`, { raw: data });
  if (put.status !== 204) throw new Error(`upload answered ${put.status} ${put.bytes}`);
  return id;
}
