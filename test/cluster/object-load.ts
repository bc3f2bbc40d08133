/** Mixed object load that knows, for every name, what a reader may find after the server died at any moment. */
import { createHash } from 'node:crypto';
import { Agent, request } from 'undici';
import { type Random, seededRandom } from '#common';

/** MD5 of a body, or `absent`. */
type Content = string;

interface Known {
  /** The last acknowledged content. */
  settled: Content;
  /**
   * Contents of writes that were sent and not answered, the oldest first: any of them may take effect, also long after others have read the
   * settled one (they are under way for good, as far as anybody can know), until a newer one does.
   */
  possible: Content[];
}

const absent: Content = 'absent';
const sizes = [0, 1, 100, 4096, 16_384, 16_385, 70_000, 1_048_576, 1_500_000];

export class ObjectLoad {
  private readonly names = new Map<string, Known>();
  private readonly random: Random;
  private readonly container: string;
  private readonly agent = new Agent({ connections: 16, pipelining: 1 });
  acknowledged = 0;

  constructor(container: string, seed: number) {
    this.container = container;
    this.random = seededRandom(seed);
  }

  /** Puts, overwrites and deletes with `width` at a time until the server goes away or `signal` aborts. */
  async run(
    session: { url: string; token: string },
    width: number,
    signal: AbortSignal,
  ): Promise<void> {
    const lanes = Array.from({ length: width }, (_, lane) => this.lane(session, lane, signal));
    await Promise.all(lanes);
  }

  // Each lane has names of its own, so that no two writes of one name are in flight together.
  private async lane(
    session: { url: string; token: string },
    lane: number,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      const name = `lane-${lane}/ö ${this.random.below(60)}`;
      const known = this.names.get(name) ?? { settled: absent, possible: [] };
      this.names.set(name, known);
      const remove = known.settled !== absent && this.random.below(5) === 0;
      const body = this.random.bytes(sizes[this.random.below(sizes.length)] ?? 0);
      const next = remove ? absent : createHash('md5').update(body).digest('hex');
      known.possible.push(next);
      try {
        const status = await this.send(session, name, remove ? undefined : body);
        if (status >= 300 && !(remove && status === 404))
          throw new Error(`unexpected status ${status} for ${name}`);
      } catch (error) {
        if (isGone(error)) return;
        throw error;
      }
      known.settled = next;
      known.possible = [];
      this.acknowledged++;
    }
  }

  private async send(
    session: { url: string; token: string },
    name: string,
    body: Buffer | undefined,
  ): Promise<number> {
    const url = `${session.url}/${this.container}/${encodeURIComponent(name)}`;
    const headers = { 'x-auth-token': session.token };
    const method = body === undefined ? 'DELETE' : 'PUT';
    const answer = await request(url, {
      method,
      headers,
      dispatcher: this.agent,
      ...(body === undefined ? {} : { body }),
    });
    await answer.body.dump();
    return answer.statusCode;
  }

  /** What is wrong after a restart: names whose bytes are not what was promised, and names that a listing has wrong. */
  async check(session: { url: string; token: string }): Promise<string[]> {
    const wrong: string[] = [];
    for (const [name, known] of this.names) {
      const found = await this.read(session, name);
      const right = accept(known, found);
      if (!right) wrong.push(`${name}: found ${found}, expected ${known.settled}`);
    }
    const listed = await this.list(session);
    for (const [name, known] of this.names) {
      const found = listed.get(name) ?? absent;
      const right = accept(known, found);
      if (!right) wrong.push(`${name}: listed as ${found}, reads as ${known.settled}`);
    }
    for (const name of listed.keys()) {
      if (!this.names.has(name)) wrong.push(`${name}: listed, never written`);
    }
    return wrong;
  }

  private async read(session: { url: string; token: string }, name: string): Promise<Content> {
    const url = `${session.url}/${this.container}/${encodeURIComponent(name)}`;
    const answer = await request(url, {
      headers: { 'x-auth-token': session.token },
      dispatcher: this.agent,
    });
    const body = Buffer.from(await answer.body.arrayBuffer());
    if (answer.statusCode === 404) return absent;
    if (answer.statusCode !== 200) return `status ${answer.statusCode}`;
    const digest = createHash('md5').update(body).digest('hex');
    return answer.headers.etag === digest ? digest : `etag ${answer.headers.etag} over ${digest}`;
  }

  private async list(session: { url: string; token: string }): Promise<Map<string, Content>> {
    const answer = await request(`${session.url}/${this.container}?format=json&limit=10000`, {
      headers: { 'x-auth-token': session.token },
      dispatcher: this.agent,
    });
    const rows = (await answer.body.json()) as { name: string; hash: string }[];
    return new Map(rows.map((row) => [row.name, row.hash]));
  }
}

/** What was found is from then on what must be found, or something newer. */
function accept(known: Known, found: Content): boolean {
  if (found === known.settled) return true;
  const at = known.possible.lastIndexOf(found);
  if (at < 0) return false;
  known.settled = found;
  known.possible = known.possible.slice(at + 1);
  return true;
}

/** The server went away in mid-request: what happens when it is killed. */
function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return [
    'ECONNRESET',
    'ECONNREFUSED',
    'EPIPE',
    'UND_ERR_SOCKET',
    'UND_ERR_CLOSED',
    'UND_ERR_DESTROYED',
  ].includes(code);
}
