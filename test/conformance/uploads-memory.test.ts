/** 256 uploads of 1 GiB in flight at once: memory stays below what proxy/DESIGN.md says, and none of them is to be seen. */
import * as fs from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TestCloud } from '../support/cloud.ts';

const uploads = 256;
const declaredBytes = 1 << 30;
const forMs = 10_000;

/** Growth per upload in flight: the gathered body, what is on its way to three replicas, and the allocator's slack. */
const bytesPerUpload = 1.5 * 1024 * 1024;
/** Garbage that waits for collection, whatever the number of uploads. */
const bytesOverall = 256 * 1024 * 1024;

function residentBytes(pid: number): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

/** Sends as fast as the server takes it, until destroyed. */
function upload(port: number, head: string): Socket {
  const piece = Buffer.alloc(65_536, 'u');
  const socket = connect(port, '127.0.0.1');
  const pump = () => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on('error', () => socket.destroy());
  socket.on('drain', pump);
  socket.once('connect', () => {
    socket.write(head);
    pump();
  });
  return socket;
}

test('256 uploads of 1 GiB', async () => {
  const cloud = await TestCloud.start('uploads');
  const { url, token } = await cloud.session();
  const headers = { 'x-auth-token': token };
  expect((await fetch(`${url}/big`, { method: 'PUT', headers })).status).toBe(201);
  const { port, pathname } = new URL(url);
  const idle = residentBytes(cloud.info.pid);
  const sockets = Array.from({ length: uploads }, (_, at) =>
    upload(
      Number(port),
      `PUT ${pathname}/big/${at} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: ${token}\r\nContent-Length: ${declaredBytes}\r\n\r\n`,
    ),
  );
  let peak = 0;
  for (let waited = 0; waited < forMs; waited += 200) {
    await sleep(200);
    peak = Math.max(peak, residentBytes(cloud.info.pid));
  }
  const sent = sockets.reduce((sum, socket) => sum + socket.bytesWritten, 0);
  for (const socket of sockets) socket.destroy();
  const mebibytes = (bytes: number) => Math.round(bytes / 2 ** 20);
  console.log(
    `idle ${mebibytes(idle)} MiB, peak ${mebibytes(peak)} MiB, ${mebibytes(sent)} MiB sent`,
  );
  expect(sent).toBeGreaterThan(uploads * 65_536);
  expect(peak - idle).toBeLessThan(uploads * bytesPerUpload + bytesOverall);
  await sleep(500);
  expect(await (await fetch(`${url}/big`, { headers })).text()).toBe('');
  await cloud.remove();
});
