/**
 * Clients that write, overwrite, delete and read over Swift and S3 at once, and know for every name what may be found: while the cluster is hurt no reader
 * may be given bytes that nobody wrote, over S3 none that were replaced, and in the end nothing acknowledged may be missing. What was done to a name is
 * remembered, and told with what is wrong.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, seededRandom } from '#common';
import { S3Client, type S3Keys } from '../support/s3-client.ts';

const absent = 'absent';
const sizesByDefault = [1, 100, 4096, 16_385, 70_000, 1_200_000];
const answerMsMax = 60_000;
const rememberedMax = 30;

interface Known {
  readonly path: string;
  readonly isSwift: boolean;
  settled: string;
  possible: string[];
  readonly ever: Set<string>;
  readonly history: string[];
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

export interface Session {
  readonly url: string;
  readonly token: string;
  readonly s3: string;
  readonly keys: S3Keys;
}

export interface LoadOptions {
  readonly sizes?: readonly number[];
  readonly namesPerClient?: number;
  readonly restMs?: number;
}

export class MixedLoad {
  readonly wrong: string[] = [];
  acknowledged = 0;
  answered = 0;
  /** Answers 5xx or none at all, with what was asked. */
  readonly refused: string[] = [];
  private readonly session: Session;
  private readonly options: Required<LoadOptions>;
  private readonly s3: S3Client;
  private readonly names = new Map<string, Known>();
  /** How many answers took so many milliseconds. */
  private latencies = new Map<number, number>();
  private readonly startedMs = performance.now();

  constructor(session: Session, options: LoadOptions = {}) {
    this.session = session;
    this.options = { sizes: sizesByDefault, namesPerClient: 20, restMs: 20, ...options };
    this.s3 = new S3Client(session.s3, session.keys);
  }

  close(): void {
    this.s3.close();
  }

  async prepare(): Promise<void> {
    const headers = { 'x-auth-token': this.session.token };
    for (const name of ['swift', 'strict'])
      await fetch(`${this.session.url}/${name}`, { method: 'PUT', headers });
  }

  /** `width` clients, each with names of its own, until `signal` aborts. */
  async run(width: number, signal: AbortSignal): Promise<void> {
    const lanes = Array.from({ length: width }, (_, lane) => this.lane(lane, signal));
    await Promise.all(lanes);
  }

  private async lane(lane: number, signal: AbortSignal): Promise<void> {
    const random = seededRandom(lane + 1);
    while (!signal.aborted) {
      const known = this.known(lane, random);
      if (random.below(3) === 0) await this.verify(known);
      else await this.change(known, random);
      await sleep(this.options.restMs);
    }
  }

  private known(lane: number, random: Random): Known {
    const name = `lane-${lane}-${random.below(this.options.namesPerClient)}`;
    const isSwift = lane % 2 === 0;
    const path = `/${isSwift ? 'swift' : 'strict'}/${name}`;
    const known = this.names.get(path) ?? {
      ...{ path, isSwift, settled: absent, possible: [], ever: new Set([absent]), history: [] },
    };
    this.names.set(path, known);
    return known;
  }

  private async send(known: Known, method: string, body?: Buffer): Promise<Answer | undefined> {
    const beganMs = performance.now();
    let said = 'none';
    try {
      const answer = await this.ask(known, method, body);
      said = String(answer.status);
      this.answered += 1;
      if (answer.status >= 500) this.refused.push(`${method} ${known.path} ${answer.status}`);
      return answer;
    } catch (error) {
      // The front was killed, or is not there yet.
      if (!(error instanceof Error)) throw error;
      said = error.message;
      this.refused.push(`${method} ${known.path} ${said}`);
      await sleep(100);
      return undefined;
    } finally {
      const tookMs = performance.now() - beganMs;
      const ms = Math.round(tookMs);
      this.latencies.set(ms, (this.latencies.get(ms) ?? 0) + 1);
      const at = Math.round(beganMs - this.startedMs);
      known.history.push(
        `${at}+${ms}ms ${method} ${body === undefined ? '' : digestOf(body)} → ${said}`,
      );
      if (known.history.length > rememberedMax) known.history.shift();
    }
  }

  private async ask(known: Known, method: string, body?: Buffer): Promise<Answer> {
    if (known.isSwift) {
      const answer = await fetch(`${this.session.url}${known.path}`, {
        method,
        headers: { 'x-auth-token': this.session.token },
        signal: AbortSignal.timeout(answerMsMax),
        ...(body && { body: new Uint8Array(body) }),
      });
      return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
    }
    const waiting = new AbortController();
    try {
      return await Promise.race([
        this.s3.send({ method, path: known.path, ...(body && { body }) }),
        sleep(answerMsMax, undefined, { signal: waiting.signal }).then(() => {
          throw new Error('no answer in time');
        }),
      ]);
    } finally {
      waiting.abort();
    }
  }

  private async change(known: Known, random: Random): Promise<void> {
    const { sizes } = this.options;
    const isDelete = random.below(5) === 0;
    const body = random.bytes(sizes[random.below(sizes.length)] ?? 1);
    const next = isDelete ? absent : digestOf(body);
    known.ever.add(next);
    known.possible.push(next);
    const answer = await (isDelete ? this.send(known, 'DELETE') : this.send(known, 'PUT', body));
    if (answer === undefined || answer.status >= 500) return;
    if (answer.status >= 300 && !(isDelete && answer.status === 404)) {
      this.blame(known, `status ${answer.status}`);
      return;
    }
    this.acknowledged += 1;
    known.settled = next;
    known.possible = [];
  }

  private async read(known: Known): Promise<string | undefined> {
    const answer = await this.send(known, 'GET');
    if (answer?.status === 404) return absent;
    if (answer?.status === 200) return digestOf(answer.body);
    return undefined;
  }

  private async verify(known: Known): Promise<void> {
    const found = await this.read(known);
    if (found === undefined) return;
    const isFresh = found === known.settled || known.possible.includes(found);
    // Swift's writes may have gone to stand-ins that a reader does not reach: older bytes are allowed, others are not.
    if (!isFresh && !(known.isSwift && known.ever.has(found)))
      this.blame(known, `found ${found}, expected ${known.settled}`);
  }

  /** After healing: what is not as it was promised. */
  async check(): Promise<readonly string[]> {
    for (const known of this.names.values()) {
      const found = await this.read(known);
      if (found !== known.settled && (found === undefined || !known.possible.includes(found)))
        this.blame(known, `in the end ${found}, expected ${known.settled}`);
    }
    return this.wrong;
  }

  private blame(known: Known, what: string): void {
    this.wrong.push(`${known.path}: ${what}\n  ${known.history.join('\n  ')}`);
  }

  percentileMs(share: number): number {
    const sorted = [...this.latencies].sort(([a], [b]) => a - b);
    const total = sorted.reduce((sum, [, count]) => sum + count, 0);
    let seen = 0;
    for (const [ms, count] of sorted) {
      seen += count;
      if (seen >= total * share) return ms;
    }
    return 0;
  }

  /** For figures of a stretch of time. */
  forgetLatencies(): void {
    this.latencies = new Map();
  }
}

const digestOf = (body: Buffer): string => createHash('md5').update(body).digest('hex');
