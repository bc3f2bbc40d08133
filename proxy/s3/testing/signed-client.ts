/** A small S3 client for tests: signs with `aws4`, sends what it is told, byte for byte. */
import * as http from 'node:http';
import aws4 from 'aws4';
import { blueKey, type S3World, type TestKey } from './s3-world.ts';

export interface Call {
  readonly method?: string;
  /** Path and query as they go over the wire. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly key?: TestKey | undefined;
  /** Sent as it is, unsigned. */
  readonly anonymous?: boolean;
  readonly presign?: boolean;
  readonly region?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** The `Code` of an error document. */
  readonly code: string | undefined;
}

/** The headers and path of a signed request, for those who send it themselves. */
export function signCall(world: S3World, call: Call) {
  const { accessKey, secret } = call.key ?? blueKey;
  const host = `127.0.0.1:${world.port}`;
  const request = {
    host,
    service: 's3',
    region: call.region ?? 'us-east-1',
    method: call.method ?? 'GET',
    path: call.path,
    headers: { host, ...call.headers },
    ...(call.body === undefined ? {} : { body: call.body }),
    ...(call.presign === true ? { signQuery: true } : {}),
  };
  if (call.anonymous === true) return request;
  return aws4.sign(request, { accessKeyId: accessKey, secretAccessKey: secret });
}

export async function send(world: S3World, call: Call): Promise<Answer> {
  const signed = signCall(world, call);
  return sendRaw(world, {
    method: call.method ?? 'GET',
    path: signed.path ?? call.path,
    headers: signed.headers ?? {},
    ...(call.body === undefined ? {} : { body: call.body }),
  });
}

export interface RawCall {
  readonly method: string;
  readonly path: string;
  readonly headers: http.OutgoingHttpHeaders;
  readonly body?: string | Buffer;
}

export function sendRaw(world: S3World, call: RawCall): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method, path, headers } = call;
    const request = http.request(
      { host: '127.0.0.1', port: world.port, method, path, headers, agent: false },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => {
          const body = Buffer.concat(pieces);
          const text = body.toString('utf8');
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body,
            text,
            code: /<Code>(.*?)<\/Code>/.exec(text)?.[1],
          });
        });
      },
    );
    request.on('error', reject);
    request.end(call.body);
  });
}

/** The texts of all elements of this name. */
export function texts(answer: Answer, name: string): string[] {
  return [...answer.text.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(
    (match) => match[1] ?? '',
  );
}
