/** Configuration of a domain over the API: which directory its users are in, and how to read it. */
import Type from 'typebox';
import type { Method, Route } from '../../../api/index.ts';
import { type IdentityCaller, parameter, type Request, route } from '../../caller.ts';
import type { Db, IdentityCore } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { IdentitySettings } from '../../settings.ts';
import {
  type Config,
  configDefaults,
  isSensitive,
  refuseUnknown,
} from './domain-config-options.ts';
import { ConfigRows } from './domain-config-rows.ts';
import { domains } from './domains.ts';

const value = Type.Union([
  Type.String({ maxLength: 4096 }),
  Type.Integer(),
  Type.Boolean(),
  Type.Null(),
  Type.Array(Type.String({ maxLength: 4096 }), { maxItems: 100 }),
]);
const group = Type.Record(Type.String(), value, { maxProperties: 100 });
const whole = Type.Object({ config: Type.Record(Type.String(), group, { maxProperties: 10 }) });
const part = Type.Object({
  config: Type.Record(Type.String(), Type.Union([group, value]), { maxProperties: 100 }),
});

const refuse = (reason: string) =>
  identityFailure('forbidden', { why: `Invalid domain specific configuration: ${reason}.` });

export function domainConfigRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const { db } = core;
  const rows = new ConfigRows(core);
  const base = '/v3/domains/:domain_id/config';
  const levels = ['', '/:group', '/:group/:option'];
  const theDomain = async (request: Request) =>
    (await domains.get(db, parameter(request, 'domain_id'))).id;
  const read = async (request: Request) => {
    const domainId = await theDomain(request);
    const { group: name, option } = request.params;
    if (name === 'security_compliance') return rules(core.settings, domainId, option);
    refuseUnknown(name, option);
    const config = await rows.read(db, domainId, 'shown');
    return partOf(config, { domainId, name, option });
  };
  return [
    ...defaultRoutes(core),
    route({
      method: 'PUT',
      path: base,
      policy: 'identity:create_domain_config',
      body: whole,
      handle: async (request) => {
        const domainId = await theDomain(request);
        refuseUnsupported(request.body.config);
        const existed = await core.change(async (transaction) => {
          const before = await rows.read(transaction, domainId, 'all');
          await rows.replace(transaction, domainId, request.body.config);
          return Object.keys(before).length > 0;
        });
        const config = await rows.read(db, domainId, 'shown');
        return { status: existed ? 200 : 201, body: { config } };
      },
    }),
    ...levels.flatMap((level) => [
      route({
        method: 'GET',
        path: base + level,
        policy: level === '' ? 'identity:get_domain_config' : 'any-token',
        handle: async (request) => {
          authorizeRead(request);
          return { body: { config: await read(request) } };
        },
      }),
      route({
        method: 'PATCH',
        path: base + level,
        policy: 'identity:update_domain_config',
        body: part,
        handle: async (request) => {
          const domainId = await theDomain(request);
          const changes = changesOf(request.params, request.body.config);
          refuseUnsupported(changes);
          await core.change(async (transaction) => {
            const before = await rows.read(transaction, domainId, 'all');
            const { group: name, option } = request.params;
            if (name !== undefined) partOf(before, { domainId, name, option });
            await rows.merge(transaction, domainId, changes);
          });
          return { body: { config: await rows.read(db, domainId, 'shown') } };
        },
      }),
      route({
        method: 'DELETE',
        path: base + level,
        policy: 'identity:delete_domain_config',
        handle: async (request) => {
          const domainId = await theDomain(request);
          const { group: name, option } = request.params;
          refuseUnknown(name, option);
          await core.change(async (transaction) => {
            const before = await rows.read(transaction, domainId, 'all');
            if (name !== undefined) partOf(before, { domainId, name, option });
            await rows.remove(transaction, domainId, name, option);
          });
          return { status: 204 };
        },
      }),
    ]),
  ];
}

function defaultRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  const one = (path: string, read: (request: Request) => unknown, method: Method = 'GET') =>
    route({
      method,
      path: `/v3/domains/config${path}/default`,
      policy: 'identity:get_domain_config_default',
      handle: (request) => ({ body: { config: read(request) } }),
    });
  const defaults = configDefaults(core.settings.listMax);
  const named = (request: Request) => {
    const { group: name, option } = request.params;
    refuseUnknown(name, option);
    if (name !== undefined && option !== undefined && isSensitive(name, option))
      throw refuse(`Reading the default for option ${option} in group ${name} is not supported`);
    return partOf(defaults, { domainId: 'default', name, option });
  };
  return [one('', () => defaults), one('/:group', named), one('/:group/:option', named)];
}

/** Password rules are for everybody to read, as whoever must keep them should know them. */
function authorizeRead(request: Request): void {
  const action =
    request.params.group === 'security_compliance'
      ? 'identity:get_security_compliance_domain_config'
      : 'identity:get_domain_config';
  if (!request.may(action)) throw identityFailure('forbidden-action', { action });
}

/** Of the default domain, the password rules in force. */
function rules(settings: IdentitySettings, domainId: string, option: string | undefined): object {
  if (domainId !== 'default')
    throw refuse(
      'Reading security compliance information for any domain other than the default domain is not allowed or supported.',
    );
  const said = {
    password_regex: settings.passwordRegex === '' ? null : settings.passwordRegex,
    password_regex_description:
      settings.passwordRegexDescription === '' ? null : settings.passwordRegexDescription,
  };
  if (option === undefined) return { security_compliance: said };
  if (!Object.hasOwn(said, option))
    throw refuse(
      'Reading security compliance values other than password_regex and password_regex_description is not allowed.',
    );
  return { [option]: Reflect.get(said, option) };
}

interface Part {
  readonly domainId: string;
  readonly name: string | undefined;
  readonly option: string | undefined;
}

/** All of a configuration, a group of it, or one option; what is not there is a 404. */
function partOf(config: Config, { domainId, name, option }: Part): object {
  const missing = (what: string) => identityFailure('config-missing', { what, domain: domainId });
  if (name === undefined) {
    if (Object.keys(config).length === 0) throw missing('any options');
    return config;
  }
  const found = config[name];
  if (option !== undefined) {
    if (found === undefined || !Object.hasOwn(found, option))
      throw missing(`option ${option} in group ${name}`);
    return { [option]: found[option] };
  }
  if (found === undefined) throw missing(`group ${name}`);
  return { [name]: found };
}

/** A PATCH of a part names that part and nothing else. */
function changesOf(
  { group: name, option }: Readonly<Record<string, string>>,
  given: Readonly<Record<string, unknown>>,
): Config {
  const keys = Object.keys(given);
  const only = option ?? name;
  if (only !== undefined && (keys.length !== 1 || keys[0] !== only))
    throw refuse(
      option === undefined
        ? `Trying to update group ${name}, so that, and only that, group must be specified in the config`
        : `Trying to update option ${option} in group ${name}, so that, and only that, option must be specified  in the config`,
    );
  const groups = option !== undefined && name !== undefined ? { [name]: given } : given;
  const made: Record<string, Record<string, unknown>> = {};
  for (const [key, entry] of Object.entries(groups)) {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
      throw refuse(`group ${key} must be an object`);
    made[key] = { ...entry };
  }
  return made;
}

function refuseUnsupported(config: Config): void {
  if (Object.keys(config).length === 0) throw refuse('No options specified');
  for (const [name, options] of Object.entries(config)) {
    if (Object.keys(options).length === 0) throw refuse(`Group ${name} has no options`);
    for (const option of Object.keys(options)) refuseUnknown(name, option);
  }
}

/** The whole of a domain's configuration, secrets included; nothing when it has none. For the directory's driver. */
export const configOf = (core: IdentityCore, db: Db, domainId: string): Promise<Config> =>
  new ConfigRows(core).read(db, domainId, 'all');
