/**
 * Resident memory with many large uploads under way: each client sends as fast as it is taken, storage throws the bytes away.
 *
 *     node proxy/bench/memory-bench.ts [uploads] [MiB each]
 */
import { fork } from 'node:child_process';
import * as http from 'node:http';
import { join } from 'node:path';

const [uploadsText = '256', mebibytesText = '64'] = process.argv.slice(2);
const uploads = Number(uploadsText);
const bytes = Number(mebibytesText) * 1024 * 1024;

const child = fork(join(import.meta.dirname, 'serve-discarding.ts'), [], {
  execArgv: ['--expose-gc'],
});
const port = await new Promise<number>((resolve) => {
  child.once('message', (message) => {
    if (typeof message === 'object' && message !== null && 'port' in message)
      resolve(Number(message.port));
  });
});

let peak = 0;
child.on('message', (message) => {
  if (typeof message === 'object' && message !== null && 'rss' in message)
    peak = Math.max(peak, Number(message.rss));
});
const watch = setInterval(() => child.send('memory'), 100);

const block = Buffer.alloc(1024 * 1024, 'x');

function upload(n: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      {
        port,
        method: 'PUT',
        path: `/v1/AUTH_id-demo/bench/o-${n}`,
        headers: { 'X-Auth-Token': 'token-alice', 'Content-Length': bytes },
        agent: false,
      },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode ?? 0));
      },
    );
    request.on('error', reject);
    let left = bytes;
    const pump = () => {
      while (left > 0) {
        left -= block.length;
        if (!request.write(block)) return request.once('drain', pump);
      }
      return request.end();
    };
    pump();
  });
}

const put = { method: 'PUT', headers: { 'X-Auth-Token': 'token-alice' } };
await fetch(`http://127.0.0.1:${port}/v1/AUTH_id-demo/bench`, put);
await new Promise((resolve) => setTimeout(resolve, 500));
const idle = peak;
peak = 0;
const started = performance.now();
const statuses = await Promise.all(Array.from({ length: uploads }, (_, n) => upload(n)));
const seconds = (performance.now() - started) / 1000;
clearInterval(watch);
const mib = (value: number) => Math.round(value / 1024 / 1024);
console.log(
  JSON.stringify({
    uploads,
    mebibytesEach: Number(mebibytesText),
    created: statuses.filter((status) => status === 201).length,
    idleMiB: mib(idle),
    peakMiB: mib(peak),
    perUploadKiB: Math.round((peak - idle) / 1024 / uploads),
    mibPerSecond: Math.round((uploads * bytes) / 1024 / 1024 / seconds),
  }),
);
child.kill();
