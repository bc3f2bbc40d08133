/** Requests to a Swift server in tests, as users of `front-door.ts`. */
import { createHash } from 'node:crypto';
import { type FrontDoor, openFrontDoor } from './front-door.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly bytes: Buffer;
}

export interface AskOptions {
  /** A user's name; null for nobody. */
  readonly as?: string | null;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
  readonly account?: string;
}

export class SwiftClient {
  readonly door: FrontDoor;
  private serial = 0;

  constructor(door: FrontDoor) {
    this.door = door;
  }

  static async open(
    swift: Parameters<typeof openFrontDoor>[2] = {},
    proxy: Parameters<typeof openFrontDoor>[0] = {},
  ): Promise<SwiftClient> {
    return new SwiftClient(
      await openFrontDoor({ blobDeleteDelayMs: 0, ...proxy }, undefined, swift),
    );
  }

  /** `path` below the account, or (with `/v1` or another root) below the server. */
  async ask(method: string, path: string, options: AskOptions = {}): Promise<Answer> {
    const { as = 'alice', headers = {}, body, account = 'AUTH_id-demo' } = options;
    const below = /^\/(?:v1|info|auth|healthcheck|recon|crossdomain)/.test(path);
    const url = `${this.door.origin}${below ? path : `/v1/${account}${path}`}`;
    const token: Record<string, string> = as === null ? {} : { 'X-Auth-Token': `token-${as}` };
    const response = await fetch(url, {
      method,
      redirect: 'manual',
      headers: { ...token, ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, bytes, text: bytes.toString() };
  }

  async status(method: string, path: string, options: AskOptions = {}): Promise<number> {
    return (await this.ask(method, path, options)).status;
  }

  async put(path: string, body: string | Buffer, headers: Record<string, string> = {}) {
    const answer = await this.ask('PUT', path, { body, headers });
    if (answer.status !== 201) throw new Error(`PUT ${path}: ${answer.status} ${answer.text}`);
    return answer;
  }

  async container(headers: Record<string, string> = {}): Promise<string> {
    this.serial += 1;
    await this.put(`/c${this.serial}`, '', headers);
    return `/c${this.serial}`;
  }

  async names(path: string): Promise<string[]> {
    const { text } = await this.ask('GET', path);
    return text.split('\n').filter((name) => name !== '');
  }

  close(): Promise<void> {
    return this.door.close();
  }
}

export function md5(bytes: string | Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}
