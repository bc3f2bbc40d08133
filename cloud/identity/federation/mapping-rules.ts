/** Mapping rules as the API takes them: which claims of a provider (`remote`) make which user and groups here (`local`). */
import Type, { type Static } from 'typebox';

const text = Type.String({ maxLength: 1024 });
const closed = { additionalProperties: false } as const;
const domain = Type.Object({ id: Type.Optional(text), name: Type.Optional(text) }, closed);
const values = Type.Array(text, { maxItems: 256 });
const regex = Type.Optional(Type.Boolean());
const role = Type.Object({ name: text }, closed);

const remote = Type.Union([
  Type.Object({ type: text }, closed),
  Type.Object({ type: text, any_one_of: values, regex }, closed),
  Type.Object({ type: text, not_any_of: values, regex }, closed),
  Type.Object({ type: text, blacklist: values, regex }, closed),
  Type.Object({ type: text, whitelist: values, regex }, closed),
]);

const local = Type.Object(
  {
    user: Type.Optional(
      Type.Object(
        {
          id: Type.Optional(text),
          name: Type.Optional(text),
          email: Type.Optional(text),
          domain: Type.Optional(domain),
          type: Type.Optional(Type.Union([Type.Literal('ephemeral'), Type.Literal('local')])),
        },
        closed,
      ),
    ),
    projects: Type.Optional(
      Type.Array(Type.Object({ name: text, roles: Type.Array(role, { maxItems: 64 }) }, closed), {
        maxItems: 64,
      }),
    ),
    group: Type.Optional(
      Type.Union([Type.Object({ id: text }, closed), Type.Object({ name: text, domain }, closed)]),
    ),
    groups: Type.Optional(text),
    group_ids: Type.Optional(text),
    domain: Type.Optional(domain),
  },
  closed,
);

export const mappingRule = Type.Object(
  {
    local: Type.Array(local, { maxItems: 64 }),
    remote: Type.Array(remote, { minItems: 1, maxItems: 64 }),
  },
  closed,
);
export const mappingRules = Type.Array(mappingRule, { minItems: 1, maxItems: 256 });

export type MappingRule = Static<typeof mappingRule>;
export type LocalRule = Static<typeof local>;
export type RemoteRule = Static<typeof remote>;
