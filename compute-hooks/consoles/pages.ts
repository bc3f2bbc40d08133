/** What browsers are given: a page around noVNC, and noVNC itself from its package. Nothing here tells about any server. */
import * as fs from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Console (noVNC)</title>
<link rel="icon" href="data:,">
<style>
html, body { margin: 0; height: 100%; background: #1b1d21; color: #e6e6e6; font: 14px sans-serif }
body { display: flex; flex-direction: column }
#bar { display: flex; gap: 1em; align-items: center; padding: 6px 12px }
#screen { flex: 1; min-height: 0 }
</style>
</head>
<body>
<div id="bar"><span id="said" role="status">Connecting…</span><button id="keys" hidden>Send Ctrl+Alt+Del</button></div>
<div id="screen"></div>
<script type="module" src="console.js"></script>
</body>
</html>
`;

const script = `import RFB from './novnc/core/rfb.js';

const said = document.getElementById('said');
const keys = document.getElementById('keys');
const query = new URLSearchParams(location.search);
const token = query.get('token') ?? new URLSearchParams((query.get('path') ?? '').replace(/^[^?]*/, '')).get('token') ?? '';
const address = new URL('websockify', location.href);
address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
address.search = '?token=' + encodeURIComponent(token);

const rfb = new RFB(document.getElementById('screen'), address.href, { shared: true });
rfb.scaleViewport = true;
rfb.addEventListener('connect', () => {
  said.textContent = 'Connected';
  keys.hidden = false;
  rfb.focus();
});
rfb.addEventListener('disconnect', () => {
  said.textContent = 'Disconnected. An address can be opened once, for a short while: ask for a new one to connect again.';
  keys.hidden = true;
});
keys.addEventListener('click', () => rfb.sendCtrlAltDel());
`;

const policy =
  "default-src 'none'; script-src 'self'; connect-src 'self' ws: wss:; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'";
const modulePattern = /^\/novnc\/((?:core|vendor)\/[a-zA-Z0-9_./-]+\.js)$/;

export function servePage(
  request: IncomingMessage,
  response: ServerResponse,
  prefix: string,
): void {
  const path = (request.url ?? '').slice(prefix.length).replace(/\?.*$/, '');
  const found = request.method === 'GET' || request.method === 'HEAD' ? find(path) : undefined;
  const { type, content } = found ?? { type: 'text/plain', content: 'Not found\n' };
  response.writeHead(found === undefined ? 404 : 200, {
    'Content-Type': `${type}; charset=utf-8`,
    'Content-Length': Buffer.byteLength(content),
    'Content-Security-Policy': policy,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
  });
  response.end(request.method === 'HEAD' ? undefined : content);
}

function find(path: string): { readonly type: string; readonly content: string } | undefined {
  if (path === '/vnc_auto.html' || path === '/vnc_lite.html')
    return { type: 'text/html', content: page };
  if (path === '/console.js') return { type: 'text/javascript', content: script };
  const module = modulePattern.exec(path)?.[1];
  if (module === undefined || module.includes('..')) return undefined;
  const file = join(dirname(fileURLToPath(import.meta.resolve('@novnc/novnc'))), '..', module);
  if (!fs.existsSync(file)) return undefined;
  return { type: 'text/javascript', content: fs.readFileSync(file, 'utf8') };
}
