import { expect, test } from 'vitest';
import { silentLogger, VirtualClock } from '#common';
import type { Reply } from '../exchange.ts';
import { heartbeatSeconds, replyOrBlanks } from './heartbeat.ts';

const servicesOn = (clock: VirtualClock) => ({ clock, log: silentLogger });
const done: Reply = { status: 200, headers: { 'Content-Type': 'text/plain' }, body: 'report' };

async function textOf({ body }: Reply): Promise<string> {
  if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) return `${body}`;
  let text = '';
  for await (const chunk of body) text += chunk.toString();
  return text;
}

test('what is done soon is answered as it is', async () => {
  expect(
    await replyOrBlanks(servicesOn(new VirtualClock()), 'text/plain', Promise.resolve(done)),
  ).toBe(done);
  const failed = Promise.reject(new Error('no storage'));
  await expect(replyOrBlanks(servicesOn(new VirtualClock()), 'text/plain', failed)).rejects.toThrow(
    'no storage',
  );
});

test('what takes long is answered with blanks, then as it is', async () => {
  const clock = new VirtualClock();
  const work = clock.sleep(heartbeatSeconds * 3500).then(() => done);
  const waiting = replyOrBlanks(servicesOn(clock), 'application/json', work);
  await clock.advance(heartbeatSeconds * 1000);
  const reply = await waiting;
  expect(reply.headers).toEqual({ 'Content-Type': 'application/json' });
  const text = textOf(reply);
  await clock.advance(heartbeatSeconds * 3000);
  expect(await text).toMatch(/^ {2,4}\r\n\r\nreport$/);
});

test('what fails late cuts its answer short', async () => {
  const clock = new VirtualClock();
  const work = clock.sleep(heartbeatSeconds * 1500).then(() => Promise.reject(new Error('gone')));
  const waiting = replyOrBlanks(servicesOn(clock), 'text/plain', work);
  await clock.advance(heartbeatSeconds * 1000);
  const read = textOf(await waiting);
  const outcome = expect(read).rejects.toThrow('gone');
  await clock.advance(heartbeatSeconds * 1000);
  await outcome;
});
