/** A small signed S3 client for tests of a running cloud. */
import * as http from 'node:http';
import aws4 from 'aws4';

export interface S3Keys {
  readonly access_key: string;
  readonly secret_key: string;
}

export interface S3Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface S3Call {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

export class S3Client {
  private readonly origin: URL;
  private readonly keys: S3Keys;
  private readonly agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

  constructor(endpoint: string, keys: S3Keys) {
    this.origin = new URL(endpoint);
    this.keys = keys;
  }

  close(): void {
    this.agent.destroy();
  }

  send(call: S3Call): Promise<S3Answer> {
    const { method, path, body } = call;
    const signed = aws4.sign(
      {
        host: this.origin.host,
        service: 's3',
        region: 'us-east-1',
        method,
        path,
        headers: { host: this.origin.host, ...call.headers },
        ...(body === undefined ? {} : { body }),
      },
      { accessKeyId: this.keys.access_key, secretAccessKey: this.keys.secret_key },
    );
    const { hostname: host, port } = this.origin;
    return new Promise((resolve, reject) => {
      const options = {
        host,
        port,
        method,
        path,
        headers: signed.headers ?? {},
        agent: this.agent,
      };
      const request = http.request(options, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode: status = 0, headers } = response;
          resolve({ status, headers, body: Buffer.concat(pieces) });
        });
      });
      request.on('error', reject);
      request.end(body);
    });
  }
}
