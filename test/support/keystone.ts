/** Projects, users and roles made through the identity API, for suites that want certain ones. */
import { request } from 'undici';
import type { CloudInfo } from './cloud.ts';

export interface WantedUser {
  readonly project: string;
  readonly name: string;
  readonly password: string;
  readonly role: string;
  /** A domain's name; the default one when it is absent. */
  readonly domain?: string;
}

type Json = Readonly<Record<string, unknown>>;

export class Keystone {
  private readonly url: string;
  readonly token: string;

  private constructor(url: string, token: string) {
    this.url = url;
    this.token = token;
  }

  static async open({ endpoints, admin }: CloudInfo): Promise<Keystone> {
    const { username: name, password, project, domain } = admin;
    const place = { domain: { name: domain } };
    const answer = await request(`${endpoints.identity}/auth/tokens`, {
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
    return new Keystone(endpoints.identity, String(answer.headers['x-subject-token']));
  }

  /** The id of what has the name, made when there is nothing of it. */
  async ensure(
    kind: 'role' | 'domain' | 'project' | 'user',
    name: string,
    more: Json = {},
  ): Promise<string> {
    const domain = typeof more.domain_id === 'string' ? `&domain_id=${more.domain_id}` : '';
    const found = (await this.call(
      'GET',
      `/${kind}s?name=${encodeURIComponent(name)}${domain}`,
    )) as Record<string, { id: string }[]>;
    const [present] = found[`${kind}s`] ?? [];
    if (present !== undefined) return present.id;
    const made = (await this.call('POST', `/${kind}s`, { [kind]: { name, ...more } })) as Record<
      string,
      { id: string }
    >;
    const { id } = made[kind] ?? {};
    if (id === undefined) throw new Error(`no ${kind} ${name}: ${JSON.stringify(made)}`);
    return id;
  }

  async ensureUser({ project, name, password, role, domain }: WantedUser): Promise<void> {
    const domainId = domain === undefined ? 'default' : await this.ensure('domain', domain);
    const place = { domain_id: domainId };
    const projectId = await this.ensure('project', project, place);
    const userId = await this.ensure('user', name, { ...place, password });
    const roleId = await this.ensure('role', role);
    await this.call('PUT', `/projects/${projectId}/users/${userId}/roles/${roleId}`);
  }

  private async call(method: 'GET' | 'POST' | 'PUT', path: string, body?: Json): Promise<unknown> {
    const answer = await request(this.url + path, {
      method,
      headers: { 'x-auth-token': this.token, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 400)
      throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
    return text === '' ? {} : JSON.parse(text);
  }
}
