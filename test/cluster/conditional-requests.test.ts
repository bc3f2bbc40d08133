/**
 * Conditional requests are true: of many who create a key at once one wins, and a recorded history of conditional and plain requests has an
 * order; also while a storage process is stopped and started. PILEUS_RACES=1000 runs as many rounds as one likes.
 */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findViolation, type Operation, type Value } from '../support/linearizability.ts';
import { S3Client } from '../support/s3-client.ts';
import { SplitCloud } from '../support/split-cloud.ts';

let cloud: SplitCloud;
let s3: S3Client;
const rounds = Number(process.env.PILEUS_RACES ?? 12);
const clients = 50;

beforeAll(async () => {
  cloud = await SplitCloud.start('conditional');
  s3 = new S3Client(cloud.info.endpoints.s3, cloud.info.s3);
  expect((await s3.send({ method: 'PUT', path: '/races' })).status).toBe(200);
});
afterAll(async () => {
  s3.close();
  await cloud.remove();
});

/** One round: who won, by what the key holds, and what everybody was told. How many were told that they did. */
async function race(key: string): Promise<number> {
  const answers = await Promise.all(
    Array.from({ length: clients }, (_, client) =>
      s3.send({
        method: 'PUT',
        path: `/races/${key}`,
        headers: { 'if-none-match': '*' },
        body: `client ${client}`,
      }),
    ),
  );
  const won = answers.flatMap(({ status }, client) => (status === 200 ? [client] : []));
  const open = answers.flatMap(({ status }, client) =>
    [200, 409, 412].includes(status) ? [] : [client],
  );
  const { body } = await s3.send({ method: 'GET', path: `/races/${key}` });
  const held = Number(/^client (\d+)$/.exec(body.toString())?.[1] ?? Number.NaN);
  expect(won.length, `winners of ${key}`).toBeLessThanOrEqual(1);
  // Who was told nothing may have won; who was told no has not.
  if (won.length === 1) expect(held).toBe(won[0]);
  else expect(open).toContain(held);
  return won.length;
}

test('of fifty who create a key at once exactly one wins', async () => {
  for (let round = 0; round < rounds; round++) {
    expect(await race(`whole-${round}`), `round ${round}`).toBe(1);
  }
});

test('also while a storage process is stopped and started', async () => {
  for (let round = 0; round < Math.max(2, rounds / 4); round++) {
    const racing = race(`stopped-${round}`);
    cloud.signal('storage-2', 'SIGSTOP');
    await racing;
    await race(`away-${round}`);
    cloud.signal('storage-2', 'SIGCONT');
    await race(`back-${round}`);
  }
});

const etagOf = (text: string) => createHash('md5').update(text).digest('hex');
const nowMs = () => performance.now();

/** A client that reads, writes, replaces and deletes one key, and writes down what it was told. */
async function wander(key: string, client: number, steps: number): Promise<Operation[]> {
  const history: Operation[] = [];
  let seen: Value;
  let random = client * 7919 + 17;
  const next = (below: number) => {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
    return (random >>> 16) % below;
  };
  for (let step = 0; step < steps; step++) {
    const text = `${client}.${step}`;
    const made = etagOf(text);
    const kind =
      (['get', 'get', 'put', 'create', 'swap', 'swap', 'delete'] as const)[next(7)] ?? 'get';
    const expected: Value = seen;
    if (kind === 'swap' && expected === undefined) continue;
    const startMs = nowMs();
    const headers: Record<string, string> =
      kind === 'create'
        ? { 'if-none-match': '*' }
        : kind === 'swap'
          ? { 'if-match': `"${expected}"` }
          : {};
    const method = kind === 'get' ? 'GET' : kind === 'delete' ? 'DELETE' : 'PUT';
    const isWrite = method === 'PUT';
    const answer = await s3.send({
      method,
      path: `/races/${key}`,
      headers,
      ...(isWrite ? { body: text } : {}),
    });
    const { status } = answer;
    const found = answer.headers.etag?.replaceAll('"', '');
    const unknown = status >= 500 || status === 409;
    const told = `${kind} by ${text} -> ${status} ${kind === 'get' ? found : ''} (saw ${expected})`;
    const apply = (state: Value) => {
      const fits =
        kind === 'create' ? state === undefined : kind === 'swap' ? state === expected : true;
      if (kind === 'get') {
        const right = status === 200 ? state === found : status === 404 && state === undefined;
        return right ? { next: state } : ('impossible' as const);
      }
      if (unknown) return { next: fits ? (kind === 'delete' ? undefined : made) : state };
      if (status >= 400) return fits ? ('impossible' as const) : { next: state };
      return fits ? { next: kind === 'delete' ? undefined : made } : ('impossible' as const);
    };
    if (kind === 'get' && unknown) continue;
    const endMs = unknown ? Number.POSITIVE_INFINITY : nowMs();
    history.push({ startMs, endMs, apply, mayVanish: unknown, told });
    if (kind === 'get') seen = status === 200 ? found : undefined;
    else if (isWrite && status === 200) seen = made;
  }
  return history;
}

test('a history of conditional and plain requests has an order', async () => {
  for (let round = 0; round < Math.max(3, rounds / 4); round++) {
    const key = `history-${round}`;
    const running = Array.from({ length: 6 }, (_, client) => wander(key, client + round * 10, 14));
    if (round % 2 === 1) {
      cloud.signal('storage-3', 'SIGSTOP');
      setTimeout(() => cloud.signal('storage-3', 'SIGCONT'), 700);
    }
    const history = (await Promise.all(running)).flat();
    expect(history.length).toBeGreaterThan(30);
    expect(findViolation(history, undefined), `round ${round}`).toBeUndefined();
  }
});
