/** The volume API of a cloud as its administrator calls it. */
import type { TestCloud } from './cloud.ts';

export interface Answered {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a parsed answer has whatever shape the API gave it
  readonly body: any;
}

export class VolumeApi {
  private readonly cloud: TestCloud;
  private readonly token: string;
  /** The id of the administrator's project. */
  readonly project: string;

  static async open(cloud: TestCloud): Promise<VolumeApi> {
    const { username: name, password, project, domain } = cloud.info.admin;
    const user = { name, password, domain: { name: domain } };
    const scope = { project: { name: project, domain: { name: domain } } };
    const identity = { methods: ['password'], password: { user } };
    const response = await fetch(`${cloud.info.endpoints.identity}/auth/tokens`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ auth: { identity, scope } }),
    });
    const token = response.headers.get('x-subject-token');
    const text = await response.text();
    if (token === null) throw new Error(`no token: ${response.status} ${text}`);
    return new VolumeApi(cloud, token, JSON.parse(text).token.project.id);
  }

  private constructor(cloud: TestCloud, token: string, project: string) {
    this.cloud = cloud;
    this.token = token;
    this.project = project;
  }

  /** `path` is behind `/v3`. */
  async call(method: string, path: string, body?: object): Promise<Answered> {
    const origin = new URL(this.cloud.info.endpoints.volume).origin;
    const response = await fetch(`${origin}/volume/v3${path}`, {
      method,
      headers: {
        'X-Auth-Token': this.token,
        'OpenStack-API-Version': 'volume 3.70',
        'Content-Type': 'application/json',
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
  }

  /** The same for what must succeed. */
  async ok(method: string, path: string, body?: object): Promise<Answered['body']> {
    const answer = await this.call(method, path, body);
    if (answer.status < 300) return answer.body;
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }
}
