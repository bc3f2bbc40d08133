import { expect, test } from 'vitest';
import { assertionOf, mapAssertion } from './mapping.ts';
import type { MappingRule } from './mapping-rules.ts';

const ann = assertionOf({
  sub: '17',
  iss: 'https://idp.example',
  name: 'Ann',
  email: 'ann@example.org',
  groups: ['devs', 'ops', 'guests'],
});

const user: MappingRule['local'][number] = { user: { name: '{0}', email: '{1}' } };
const remote: MappingRule['remote'] = [{ type: 'OIDC-name' }, { type: 'HTTP_OIDC_EMAIL' }];

test('values go where rules put them', () => {
  const mapped = mapAssertion(
    [
      { local: [user, { group: { id: 'g1' } }], remote },
      {
        local: [{ groups: '{0}', domain: { name: 'Default' } }],
        remote: [{ type: 'OIDC_CLAIM_groups', whitelist: ['devs', 'ops', 'admins'] }],
      },
      {
        local: [{ projects: [{ name: 'of {0}', roles: [{ name: 'member' }] }] }],
        remote: [{ type: 'OIDC-name' }],
      },
    ],
    ann,
  );
  expect(mapped).toEqual({
    user: { id: undefined, name: 'Ann', email: 'ann@example.org', type: 'ephemeral' },
    groupIds: ['g1'],
    groups: [
      { name: 'devs', domain: { name: 'Default' } },
      { name: 'ops', domain: { name: 'Default' } },
    ],
    projects: [{ name: 'of Ann', roles: ['member'] }],
  });
});

test('conditions let a rule apply or not', () => {
  const applies = (part: MappingRule['remote'][number]) =>
    mapAssertion([{ local: [user], remote: [...remote, part] }], ann) !== undefined;
  const type = 'OIDC-groups';
  expect(applies({ type, any_one_of: ['ops', 'none'] })).toBe(true);
  expect(applies({ type, any_one_of: ['none'] })).toBe(false);
  expect(applies({ type, not_any_of: ['none'] })).toBe(true);
  expect(applies({ type, not_any_of: ['guests'] })).toBe(false);
  expect(applies({ type, any_one_of: ['^dev'], regex: true })).toBe(true);
  expect(applies({ type, any_one_of: ['^ev'], regex: true })).toBe(false);
  expect(applies({ type: 'OIDC-absent' })).toBe(false);
});

test('blacklists take values away, and an empty place is no user', () => {
  const groups = (part: MappingRule['remote'][number]) =>
    mapAssertion([{ local: [{ group_ids: '{0}' }], remote: [part] }], ann)?.groupIds;
  expect(groups({ type: 'OIDC-groups', blacklist: ['guests'] })).toEqual(['devs', 'ops']);
  expect(groups({ type: 'OIDC-groups', blacklist: ['^.e'], regex: true })).toEqual([
    'ops',
    'guests',
  ]);
  const beyond = [{ local: [{ user: { name: '{5}' } }], remote }];
  expect(mapAssertion(beyond, ann)).toBeUndefined();
});

test('a semicolon in a name is a part of the name', () => {
  const eve = assertionOf({ name: 'eve;admins', groups: 'guests;admins' });
  const rules: MappingRule[] = [
    {
      local: [{ user: { name: '{0}' } }, { groups: '{1}', domain: { id: 'default' } }],
      remote: [{ type: 'OIDC-name' }, { type: 'OIDC-groups', whitelist: ['guests', 'admins'] }],
    },
  ];
  expect(mapAssertion(rules, eve)).toMatchObject({ user: { name: 'eve;admins' }, groups: [] });
});
