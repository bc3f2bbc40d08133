/**
 * Downloads for `web-download`: HTTP and HTTPS only, allowed ports only, and never to an address that is this cloud's own or private unless
 * the operator named the host. The address that was checked is the one that is connected to, at every redirect anew.
 */
import { lookup as resolveName } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Readable } from 'node:stream';
import type { Agent } from 'undici';
import { messageOf } from '#common';
import { imageFailure, invalid } from '../failures.ts';
import type { ImageSettings } from '../settings.ts';

export interface Download {
  readonly body: AsyncIterable<Uint8Array>;
  readonly lengthBytes: number | undefined;
  close(): Promise<void>;
}

type WebSettings = Pick<
  ImageSettings,
  'webDownloadHosts' | 'webDownloadPorts' | 'webDownloadTimeoutMs' | 'uploadIdleMs'
>;

const redirectsMax = 5;
const uriLengthMax = 4_096;

/** What is said of a URI before anything is asked of the network; throws `invalid`. */
export function checkUri(settings: WebSettings, text: string): URL {
  const refused = invalid(`URI for web-download does not pass filtering: ${text.slice(0, 255)}`);
  if (text.length > uriLengthMax || !URL.canParse(text)) throw refused;
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refused;
  if (url.username !== '' || url.password !== '') throw refused;
  const port = url.port === '' ? (url.protocol === 'http:' ? '80' : '443') : url.port;
  if (!listed(settings.webDownloadPorts, port)) throw refused;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && isForbidden(host) && !listed(settings.webDownloadHosts, host))
    throw refused;
  return url;
}

const listed = (list: string, value: string): boolean =>
  list
    .split(',')
    .some((one) => one.trim() === '*' || one.trim().toLowerCase() === value.toLowerCase());

export async function download(
  settings: WebSettings,
  uri: string,
  signal: AbortSignal,
): Promise<Download> {
  // Loaded at the first download: most clouds never see one.
  const undici = await import('undici');
  const agent = new undici.Agent({
    connect: { lookup: guardedLookup(settings), timeout: 10_000 },
    headersTimeout: settings.uploadIdleMs,
    bodyTimeout: settings.uploadIdleMs,
    maxHeaderSize: 32_768,
  });
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(settings.webDownloadTimeoutMs)]);
  try {
    const response = await follow(settings, { uri, agent, signal: bounded });
    return { ...response, body: translated(response.body, uri), close: () => agent.destroy() };
  } catch (error) {
    await agent.destroy();
    throw downloadFailure(uri, error);
  }
}

async function follow(
  settings: WebSettings,
  { uri, agent, signal }: { uri: string; agent: Agent; signal: AbortSignal },
): Promise<{ body: Readable; lengthBytes: number | undefined }> {
  let at = checkUri(settings, uri);
  const { request } = await import('undici');
  for (let redirects = 0; ; redirects++) {
    // The bytes as they are: one that is compressed on the way would be another file.
    const headers = { 'accept-encoding': 'identity', 'user-agent': 'pileus-image' };
    const answer = await request(at.href, { dispatcher: agent, signal, headers });
    // Whoever reads it is told; when nobody does any more, an end that comes late is no news.
    answer.body.on('error', () => undefined);
    const { statusCode } = answer;
    if (statusCode === 200) {
      const length = Number(answer.headers['content-length']);
      const plain =
        answer.headers['content-encoding'] === undefined && Number.isSafeInteger(length);
      return { body: answer.body, lengthBytes: plain ? length : undefined };
    }
    answer.body.destroy();
    const { location } = answer.headers;
    if (![301, 302, 303, 307, 308].includes(statusCode) || typeof location !== 'string')
      throw imageFailure('invalid', { why: `${at.host} answered ${statusCode}.` });
    if (redirects >= redirectsMax)
      throw imageFailure('invalid', { why: `${at.host} redirects too often.` });
    if (!URL.canParse(location, at.href))
      throw imageFailure('invalid', { why: `${at.host} redirects to nowhere.` });
    at = checkUri(settings, new URL(location, at.href).href);
  }
}

async function* translated(
  body: AsyncIterable<Uint8Array>,
  uri: string,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw downloadFailure(uri, error);
  }
}

function downloadFailure(uri: string, error: unknown): Error {
  if (error instanceof Error && error.name === 'Failure') return error;
  const host = URL.canParse(uri) ? new URL(uri).host : uri.slice(0, 255);
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return imageFailure(
    'invalid',
    { why: `Cannot download from ${host}: ${messageOf(cause)}.` },
    error,
  );
}

/** Resolves a name and lets only allowed addresses through. */
function guardedLookup(settings: WebSettings): LookupFunction {
  return (hostname, options, callback) => {
    resolveName(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 4);
      const open = listed(settings.webDownloadHosts, hostname);
      const allowed = addresses.filter(({ address }) => open || !isForbidden(address));
      const [first] = allowed;
      if (first === undefined)
        return callback(new Error('its address is not one that may be reached'), '', 4);
      if (options.all === true) return callback(null, allowed);
      callback(null, first.address, first.family);
    });
  };
}

/** Inside, or one of this machine's own, public as it may be: what listens there trusts who is near. */
const isForbidden = (address: string): boolean => isInside(address) || isOwn(address);

function isOwn(address: string): boolean {
  const own = new BlockList();
  for (const one of Object.values(networkInterfaces()).flat())
    if (one !== undefined) own.addAddress(one.address, one.family === 'IPv4' ? 'ipv4' : 'ipv6');
  return own.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}

// RFC 6890 and its registry: nothing of these is the public Internet.
// Two lists: one would take every IPv4 address for what `::ffff:0:0/96` covers.
const inside4 = new BlockList();
const inside6 = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  inside4.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of [
  ['::', 96],
  ['::ffff:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  // Teredo, ORCHID and what else is no host's own address.
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['5f00::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const)
  inside6.addSubnet(network, prefix, 'ipv6');

/** Loopback, link-local, private, reserved, or an IPv4 address in IPv6's clothes. */
export const isInside = (address: string): boolean =>
  isIP(address) === 4 ? inside4.check(address, 'ipv4') : inside6.check(address, 'ipv6');
