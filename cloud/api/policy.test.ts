import { describe, expect, it } from 'vitest';
import { Policy } from './policy.ts';

const policy = new Policy({
  admin_required: 'role:admin or is_admin:1',
  open: '',
  closed: '!',
  own: 'user_id:%(target.user.id)s',
  domain_reader: 'role:reader and domain_id:%(target.user.domain_id)s',
  mixed: 'rule:admin_required or (role:reader and not role:guest)',
  grant:
    'rule:admin_required or ((role:manager and domain_id:%(target.domain.id)s) and (domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s))',
  literal: "'visible':%(target.state)s",
  loop_a: 'rule:loop_b',
  loop_b: 'rule:loop_a',
});
const as = (rule: string, credentials: object, target = {}) =>
  policy.allows(rule, { roles: [], ...credentials }, target);

describe('policy rules', () => {
  it('knows roles whatever their case', () => {
    expect(as('admin_required', { roles: ['Admin'] })).toBe(true);
    expect(as('admin_required', { roles: ['administrator'] })).toBe(false);
    expect(as('open', {})).toBe(true);
    expect(as('closed', { roles: ['admin'] })).toBe(false);
  });

  it('compares credentials with the target', () => {
    expect(as('own', { user_id: 'u1' }, { target: { user: { id: 'u1' } } })).toBe(true);
    expect(as('own', { user_id: 'u1' }, { target: { user: { id: 'u2' } } })).toBe(false);
    expect(as('literal', {}, { target: { state: 'visible' } })).toBe(true);
  });

  it('never lets what is absent equal what is absent', () => {
    expect(as('own', {}, {})).toBe(false);
    expect(as('own', { user_id: null }, { target: { user: { id: null } } })).toBe(false);
    expect(
      as('domain_reader', { roles: ['reader'] }, { target: { user: { domain_id: undefined } } }),
    ).toBe(false);
    expect(as('own', { user_id: 'x' }, { target: Object.create({ user: { id: 'x' } }) })).toBe(
      false,
    );
  });

  it('binds and tighter than or, and honours parentheses and not', () => {
    expect(as('mixed', { roles: ['reader'] })).toBe(true);
    expect(as('mixed', { roles: ['reader', 'guest'] })).toBe(false);
    expect(as('mixed', { roles: ['admin', 'guest'] })).toBe(true);
    const inDomain = { roles: ['manager'], domain_id: 'd' };
    const target = (roleDomain: string | null) => ({
      target: { domain: { id: 'd' }, role: { domain_id: roleDomain } },
    });
    expect(as('grant', inDomain, target(null))).toBe(true);
    expect(as('grant', inDomain, target('d'))).toBe(true);
    expect(as('grant', inDomain, target('other'))).toBe(false);
  });

  it('refuses a cycle and rejects what it cannot read', () => {
    expect(as('loop_a', { roles: ['admin'] })).toBe(false);
    expect(() => new Policy({ bad: 'role:admin or' })).toThrow('ends too early');
    expect(() => new Policy({ bad: '(role:admin' })).toThrow('not closed');
    expect(() => new Policy({ bad: 'rule:nowhere' })).toThrow('no rule nowhere');
    expect(() => new Policy({ bad: 'admin' })).toThrow('not a check');
    expect(() => new Policy({ bad: 'role:a role:b' })).toThrow('did not expect');
    expect(() => as('unheard of', {})).toThrow('not there');
  });
});
