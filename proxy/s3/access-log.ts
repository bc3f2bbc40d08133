/**
 * Accesses to buckets that ask for it, written into their target buckets: lines are gathered and put as one object each minute, or when
 * there are many. As with S3 itself, a line may come late, and what is gathered when a process dies is lost.
 */
import {
  type Clock,
  isFailure,
  type Logger,
  messageOf,
  type Random,
  randomHex,
  type Timer,
} from '#common';
import type { Container, ObjectService } from '../objects/index.ts';
import { logKey } from './config/access-log-key.ts';
import { documentOf } from './config/bucket-document.ts';
import { type LogTarget, loggingDocument } from './config/logging.ts';
import type { S3Request } from './context.ts';
import { isSubject } from './find-route.ts';
import { ownerId } from './owner-id.ts';
import { regionName } from './region.ts';

export interface AccessLine {
  readonly request: S3Request;
  readonly container: Container;
  readonly operation: string;
  readonly status: number;
  readonly errorCode: string | undefined;
  readonly bytesSent: number | undefined;
  readonly tookMs: number;
}

interface Gathered extends LogTarget {
  readonly account: string;
  /** Whose lines they are, where they are kept apart. */
  readonly source: string;
  readonly day: string;
  lines: string[];
  bytes: number;
}

const flushMs = 60_000;
const objectBytesMax = 1_048_576;
const targetsMax = 1_000;

export interface AccessLogOptions {
  readonly objects: ObjectService;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  /** As in the settings. */
  readonly region: string;
}

export class AccessLog {
  private readonly options: AccessLogOptions;
  private readonly gathered = new Map<string, Gathered>();
  private timer: Timer | undefined;

  constructor(options: AccessLogOptions) {
    this.options = options;
  }

  add(line: AccessLine): void {
    const target = documentOf(loggingDocument, line.container)?.target;
    if (target === undefined) return;
    const { account } = line.container;
    const nowUs = this.options.clock.nowUs();
    const apart = target.format === 'event' || target.format === 'delivery';
    const source = apart ? line.container.name : '';
    const day = target.format === 'event' ? new Date(nowUs / 1000).toISOString() : '';
    const key = [account, target.bucket, target.prefix, source, day.slice(0, 10)].join('\n');
    let into = this.gathered.get(key);
    if (into === undefined) {
      if (this.gathered.size >= targetsMax) return;
      into = { account, source, day, ...target, lines: [], bytes: 0 };
      this.gathered.set(key, into);
    }
    const text = renderLine(line, nowUs);
    into.lines.push(text);
    into.bytes += text.length;
    if (into.bytes >= objectBytesMax) {
      this.gathered.delete(key);
      void this.put(into);
    }
    this.timer ??= this.options.clock.after(flushMs, () => void this.flush());
  }

  /** Puts what is gathered. Never rejects. */
  async flush(): Promise<void> {
    this.timer?.cancel();
    this.timer = undefined;
    const all = [...this.gathered.values()];
    this.gathered.clear();
    await Promise.all(all.map((each) => this.put(each)));
  }

  private async put(gathered: Gathered): Promise<void> {
    const { account, bucket, prefix, format, source, day, lines } = gathered;
    const { objects, clock, random, log, region } = this.options;
    const name = logKey({
      ...{ prefix, format, account: ownerId(account), bucket: source, day },
      region: regionName(region),
      now: new Date(clock.nowUs() / 1000).toISOString(),
      unique: randomHex(random, 8).toUpperCase(),
    });
    try {
      const container = await objects.containers.open(account, bucket);
      const body = Buffer.from(lines.join(''));
      await objects.objects.put({
        container,
        name,
        body,
        contentType: 'text/plain',
        mode: 'strict',
      });
    } catch (error) {
      if (!isFailure(error)) throw error;
      log.warn(
        { bucket, lines: lines.length, reason: messageOf(error) },
        'access log lines are lost',
      );
    }
  }
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `[27/Nov/2026:21:46:39 +0000]`. */
function logTime(us: number): string {
  const date = new Date(us / 1000);
  const day = String(date.getUTCDate()).padStart(2, '0');
  return `[${day}/${months[date.getUTCMonth()]}/${date.getUTCFullYear()}:${date.toISOString().slice(11, 19)} +0000]`;
}

function quoted(text: string | undefined): string {
  if (text === undefined) return '"-"';
  // One line a request, whatever a client sends.
  return `"${text.replace(/[\r\n"]/g, '?')}"`;
}

/** A field without quotes: no blank and no line end may come into it. */
function plain(text: string | undefined): string {
  return text === undefined || text === '' ? '-' : text.replace(/[^\x21-\x7e]/g, '?');
}

/** `REST.GET.OBJECT`, `REST.PUT.VERSIONING`: what S3's own logs call operations. */
function operationWord({ request, operation }: AccessLine): string {
  const { head, query, key } = request;
  if (operation === 'DeleteObjects') return 'REST.POST.MULTI_OBJECT_DELETE';
  if (operation === 'CopyObject') return 'REST.COPY.OBJECT';
  if (operation === 'UploadPartCopy') return 'REST.COPY.PART';
  if (query.has('uploadId'))
    return `REST.${head.method}.${query.has('partNumber') ? 'PART' : 'UPLOAD'}`;
  const [subject] = [...query].find(([name, value]) => value === '' && isSubject(name)) ?? [];
  const resource = subject?.toUpperCase().replaceAll('-', '_');
  return `REST.${head.method}.${resource ?? (key === '' ? 'BUCKET' : 'OBJECT')}`;
}

function renderLine(line: AccessLine, nowUs: number): string {
  const { request, container, status, errorCode, bytesSent, tookMs } = line;
  const { head, query } = request;
  const { method } = head;
  const url = head.query === '' ? head.path : `${head.path}?${head.query}`;
  const requester = request.caller?.identity.userId ?? '-';
  return `${[
    ownerId(container.account),
    container.name,
    logTime(nowUs),
    request.clientIp || '-',
    requester,
    request.requestId,
    operationWord(line),
    request.key === '' ? '-' : encodeURIComponent(request.key).replaceAll('%2F', '/'),
    quoted(`${method} ${url} HTTP/1.1`),
    status,
    errorCode ?? '-',
    bytesSent ?? '-',
    '-',
    Math.round(tookMs),
    '-',
    quoted(head.headers.get('referer')),
    quoted(head.headers.get('user-agent')),
    plain(query.get('versionId')),
    '-',
    request.signature === undefined ? '-' : request.signature.version === 'AWS' ? 'SigV2' : 'SigV4',
    '-',
    request.signature?.kind === 'REST-QUERY-STRING'
      ? 'QueryString'
      : request.signature === undefined
        ? '-'
        : 'AuthHeader',
    plain(head.headers.get('host')),
    request.secure ? 'TLSv1.3' : '-',
    '-',
    '-',
  ].join(' ')}\n`;
}
