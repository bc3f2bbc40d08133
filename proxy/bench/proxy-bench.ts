/**
 * What one request costs the proxy in CPU: real HTTP, three memory devices, the load from a process of its own.
 *
 *     node proxy/bench/proxy-bench.ts [seconds per row] [row name …]
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Row {
  readonly name: string;
  readonly method: 'PUT' | 'GET';
  readonly bytes: number;
  readonly connections: number;
}

const rows: readonly Row[] = [
  { name: 'put-4k', method: 'PUT', bytes: 4096, connections: 8 },
  { name: 'get-4k', method: 'GET', bytes: 4096, connections: 8 },
  { name: 'put-64k', method: 'PUT', bytes: 65_536, connections: 8 },
  { name: 'get-64k', method: 'GET', bytes: 65_536, connections: 8 },
  { name: 'put-1m', method: 'PUT', bytes: 1_048_576, connections: 4 },
  { name: 'get-1m', method: 'GET', bytes: 1_048_576, connections: 4 },
];
const [secondsText = '3', ...wanted] = process.argv.slice(2);
const seconds = Number(secondsText);
const token = 'token-alice';
const folder = fs.mkdtempSync(join(tmpdir(), 'proxy-bench-'));

function answer<T>(child: ChildProcess, question: string): Promise<T> {
  return new Promise((resolve) => {
    child.once('message', (message) => resolve(message as T));
    if (question !== '') child.send(question);
  });
}

/** wrk takes its bodies from a script; PUTs go round 64 names. */
function scriptFor(row: Row): string {
  const path = join(folder, `${row.name}.lua`);
  const body = row.method === 'PUT' ? `wrk.body = string.rep("x", ${row.bytes})` : '';
  fs.writeFileSync(
    path,
    `wrk.method = "${row.method}"
wrk.headers["X-Auth-Token"] = "${token}"
wrk.headers["Content-Type"] = "application/octet-stream"
${body}
local n = 0
request = function()
  n = n + 1
  return wrk.format(nil, "/v1/AUTH_id-demo/bench/o-${row.bytes}-" .. (n % 64))
end
done = function(summary)
  io.write(string.format("RESULT %d %d %d\\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
`,
  );
  return path;
}

function runWrk(row: Row, port: number): Promise<{ requests: number; us: number; errors: number }> {
  return new Promise((resolve, reject) => {
    const wrk = spawn('wrk', [
      '-t1',
      `-c${row.connections}`,
      `-d${seconds}s`,
      '-s',
      scriptFor(row),
      `http://127.0.0.1:${port}`,
    ]);
    let out = '';
    wrk.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    wrk.on('error', reject);
    wrk.on('close', () => {
      const [, requests, us, errors] = /RESULT (\d+) (\d+) (\d+)/.exec(out) ?? [];
      if (requests === undefined) reject(new Error(`wrk said nothing: ${out}`));
      else resolve({ requests: Number(requests), us: Number(us), errors: Number(errors) });
    });
  });
}

const profile =
  process.env.PROXY_BENCH_PROFILE === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
const child = fork(join(import.meta.dirname, 'serve.ts'), [], { execArgv: profile });
const { port } = await answer<{ port: number }>(child, '');
const base = `http://127.0.0.1:${port}/v1/AUTH_id-demo/bench`;
const headers = { 'X-Auth-Token': token };
await fetch(base, { method: 'PUT', headers });
console.log('row        µs CPU/op   ops/s   errors');
for (const row of rows) {
  if (wanted.length > 0 && !wanted.includes(row.name)) continue;
  for (let n = 0; n < 64; n++)
    await fetch(`${base}/o-${row.bytes}-${n}`, {
      method: 'PUT',
      headers,
      body: 'x'.repeat(row.bytes),
    });
  const before = await answer<NodeJS.CpuUsage>(child, 'cpu');
  const result = await runWrk(row, port);
  const after = await answer<NodeJS.CpuUsage>(child, 'cpu');
  const us = after.user + after.system - before.user - before.system;
  const perOperation = (us / result.requests).toFixed(1).padStart(9);
  const rate = Math.round(result.requests / (result.us / 1e6))
    .toString()
    .padStart(7);
  console.log(`${row.name.padEnd(10)} ${perOperation} ${rate} ${result.errors}`);
}
if (profile.length > 0) console.log(`profile in ${folder}`);
child.send('stop');
if (profile.length === 0) fs.rmSync(folder, { recursive: true });
