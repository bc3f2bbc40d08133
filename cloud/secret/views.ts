/** What clients see: references are addresses, times are ISO without a zone, as upstream writes them. */
import type { ConsumerRow, ContainerRow, MemberRow, OrderRow, SecretRow } from './tables.ts';

interface At {
  readonly baseUrl: string;
}

export const refOf = (at: At, collection: string, id: string): string =>
  `${at.baseUrl}/v1/${collection}/${id}`;

export function timeOf(us: number): string {
  const micros = String(us % 1_000_000).padStart(6, '0');
  return `${new Date(Math.floor(us / 1000)).toISOString().slice(0, 19)}.${micros}`;
}

const timesOf = (row: { readonly created_at_us: number; readonly updated_at_us: number }) => ({
  created: timeOf(row.created_at_us),
  updated: timeOf(row.updated_at_us),
});

export function secretView(at: At, row: SecretRow, consumers?: readonly ConsumerRow[]) {
  return {
    ...timesOf(row),
    status: 'ACTIVE',
    name: row.name,
    secret_type: row.secret_type,
    expiration: row.expires_at_us === null ? null : timeOf(row.expires_at_us).slice(0, 19),
    algorithm: row.algorithm,
    bit_length: row.bit_length,
    mode: row.mode,
    creator_id: row.creator_id,
    ...(consumers === undefined ? {} : { consumers: consumers.map(secretConsumerFields) }),
    ...(row.content_type === null ? {} : { content_types: { default: row.content_type } }),
    secret_ref: refOf(at, 'secrets', row.id),
  };
}

const secretConsumerFields = (row: ConsumerRow) => ({
  service: row.name,
  resource_type: row.kind,
  resource_id: row.target,
});

export const secretConsumerView = (row: ConsumerRow) => ({
  ...timesOf(row),
  status: 'ACTIVE',
  ...secretConsumerFields(row),
});

export const containerConsumerView = (row: ConsumerRow) => ({
  ...timesOf(row),
  status: 'ACTIVE',
  name: row.name,
  URL: row.target,
});

export function containerView(
  at: At,
  row: ContainerRow,
  members: readonly MemberRow[],
  consumers: readonly ConsumerRow[],
) {
  return {
    ...timesOf(row),
    status: 'ACTIVE',
    name: row.name,
    type: row.type,
    creator_id: row.creator_id,
    secret_refs: members.map(({ secret_id, name }) => ({
      secret_ref: refOf(at, 'secrets', secret_id),
      name: name === '' ? null : name,
    })),
    consumers: consumers.map(({ name, target }) => ({ name, URL: target })),
    container_ref: refOf(at, 'containers', row.id),
  };
}

export function orderView(at: At, row: OrderRow) {
  const made = row.secret_id !== null || row.container_id !== null;
  return {
    ...timesOf(row),
    status: made ? 'ACTIVE' : row.failure === null ? 'PENDING' : 'ERROR',
    type: row.type,
    meta: JSON.parse(row.meta_json) as unknown,
    ...(row.secret_id === null ? {} : { secret_ref: refOf(at, 'secrets', row.secret_id) }),
    ...(row.container_id === null
      ? {}
      : { container_ref: refOf(at, 'containers', row.container_id) }),
    ...(row.failure === null ? {} : { error_status_code: '500', error_reason: row.failure }),
    sub_status: 'Unknown',
    sub_status_message: 'Unknown',
    creator_id: row.creator_id,
    order_ref: refOf(at, 'orders', row.id),
  };
}
