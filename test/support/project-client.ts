/** The OpenStack APIs of a test's cloud as its administrator, by plain HTTP; it outlives restarts of the cloud. */
import { request } from 'undici';
import type { TestCloud } from './cloud.ts';

type Json = Readonly<Record<string, unknown>>;

export class ProjectClient {
  private readonly cloud: TestCloud;
  private token: string | undefined;

  constructor(cloud: TestCloud) {
    this.cloud = cloud;
  }

  /** `path` begins with the service: `/compute/v2.1/servers`. Fails on connections that break and on answers from 400. */
  async call<T = Json>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: Json): Promise<T> {
    const base = this.cloud.info.endpoints.identity.replace(/\/v3$/, '');
    this.token ??= await this.login(base);
    const answer = await request(base + path, {
      method,
      headers: {
        'x-auth-token': this.token,
        'content-type': 'application/json',
        'openstack-api-version': 'compute 2.90',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 400)
      throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
    return (text === '' ? {} : JSON.parse(text)) as T;
  }

  /** The same, or undefined where the cloud is away or refuses. */
  async attempt<T = Json>(...args: Parameters<ProjectClient['call']>): Promise<T | undefined> {
    try {
      return await this.call<T>(...args);
    } catch (error) {
      // What came of it is looked at when the storm is over.
      if (error instanceof Error) return undefined;
      throw error;
    }
  }

  private async login(base: string): Promise<string> {
    const { username: name, password, project, domain } = this.cloud.info.admin;
    const place = { domain: { name: domain } };
    const answer = await request(`${base}/v3/auth/tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        auth: {
          identity: { methods: ['password'], password: { user: { name, password, ...place } } },
          scope: { project: { name: project, ...place } },
        },
      }),
    });
    await answer.body.dump();
    return String(answer.headers['x-subject-token']);
  }
}
