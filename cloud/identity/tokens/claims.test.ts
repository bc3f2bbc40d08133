import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { compactVerify, importJWK } from 'jose';
import { describe, expect, it } from 'vitest';
import {
  derOf,
  encodeToken,
  isGenuine,
  publicKeyOf,
  readClaims,
  type TokenClaims,
  takeApart,
} from './claims.ts';

interface Golden {
  readonly kid: string;
  readonly publicKey: Record<string, unknown>;
  readonly tokens: Readonly<Record<string, { claims: TokenClaims; token: string }>>;
}
const goldenOf = (version: number): Golden =>
  JSON.parse(readFileSync(new URL(`../golden/token-v${version}.json`, import.meta.url), 'utf8'));
const golden = goldenOf(1);
const key = publicKeyOf(golden.publicKey);
const claims: TokenClaims = {
  userId: 'u1',
  scope: { kind: 'project', projectId: 'p1' },
  methods: ['password'],
  auditIds: ['a1', 'a1'],
  issuedAtUs: 1_700_000_000_123_456,
  expiresAtUs: 1_700_003_600_000_000,
};
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** What a validator would accept of a token. */
function accepted(token: string, publicKey = key): TokenClaims | undefined {
  const parts = takeApart(token);
  return parts !== undefined && isGenuine(parts, publicKey) ? readClaims(parts) : undefined;
}

describe('tokens', () => {
  it('of the first version still read as they were written', () => {
    for (const { claims: expected, token } of Object.values(golden.tokens))
      expect(accepted(token)).toEqual(expected);
    expect(Object.keys(golden.tokens)).toHaveLength(5);
  });

  it('of the second version do too, and are not mistaken for the first', () => {
    const second = goldenOf(2);
    for (const { claims: expected, token } of Object.values(second.tokens)) {
      expect(accepted(token, publicKeyOf(second.publicKey))).toEqual(expected);
      const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
      expect(payload.iss).toBe('pileus2');
    }
    expect(Object.keys(second.tokens)).toHaveLength(3);
  });

  it('are JWS that another implementation verifies', async () => {
    const { token = '' } = golden.tokens.project ?? {};
    const verified = await compactVerify(token, await importJWK(golden.publicKey, 'ES256'));
    expect(verified.protectedHeader).toEqual({ typ: 'JWT', alg: 'ES256', kid: golden.kid });
    const payload = JSON.parse(Buffer.from(verified.payload).toString());
    expect(payload.openstack_project_id).toBe('2af024a4dd457c91e6f80589228f3baa');
  });

  it('come back as they went in', () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const token = encodeToken(claims, 'k', pair.privateKey);
    expect(accepted(token, pair.publicKey)).toEqual(claims);
    expect(accepted(token)).toBeUndefined();
  });

  it('are checked in the form OpenSSL reads, whatever their leading digits', () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const lengths = new Set<number>();
    for (let at = 0; at < 2000; at++) {
      const data = Buffer.from(`message ${at}`);
      const signature = sign('sha256', data, { key: pair.privateKey, dsaEncoding: 'ieee-p1363' });
      const der = derOf(signature);
      lengths.add(der.length);
      if (at < 200) expect(verify('sha256', data, pair.publicKey, der)).toBe(true);
      else if (der.length < 70) expect(verify('sha256', data, pair.publicKey, der)).toBe(true);
    }
    // Leading zeros make it shorter, leading ones longer; all must have come along.
    expect(lengths.size).toBeGreaterThanOrEqual(3);
    const zeros = derOf(Buffer.alloc(64));
    expect(zeros.toString('hex')).toBe('3006020100020100');
    expect(verify('sha256', Buffer.from('x'), pair.publicKey, zeros)).toBe(false);
  });

  it('are refused when any character is changed', () => {
    const { token = '' } = golden.tokens.system ?? {};
    for (let at = 0; at < token.length; at++) {
      for (const other of ['A', 'B', '.', '=']) {
        if (token[at] === other) continue;
        const forged = token.slice(0, at) + other + token.slice(at + 1);
        expect(accepted(forged), `character ${at}`).toBeUndefined();
      }
    }
  });

  it('are refused with another algorithm, whoever signed', () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const payload = part({ iss: 'pileus', sub: 'u', iat: 1, exp: 2, openstack_audit_ids: ['a'] });
    const make = (header: object) => {
      const signed = `${part(header)}.${payload}`;
      const signature = sign('sha256', Buffer.from(signed), {
        key: pair.privateKey,
        dsaEncoding: 'ieee-p1363',
      });
      return `${signed}.${signature.toString('base64url')}`;
    };
    expect(accepted(make({ alg: 'ES256', kid: 'k' }), pair.publicKey)).toBeDefined();
    for (const header of [
      { alg: 'none', kid: 'k' },
      { alg: 'HS256', kid: 'k' },
      { alg: 'ES256' },
      { alg: 'ES256', kid: 1 },
      { alg: 'ES256', kid: 'k', crit: ['exp'] },
    ])
      expect(accepted(make(header), pair.publicKey)).toBeUndefined();
  });

  it('are refused when they are no tokens', () => {
    for (const text of [
      '',
      '.',
      '..',
      'a.b.c',
      'a.b.c.d',
      'x'.repeat(5000),
      'gAAAAABf',
      '\u0000..',
    ])
      expect(takeApart(text)).toBeUndefined();
    const signature = Buffer.alloc(64).toString('base64url');
    expect(takeApart(`${part([])}.${part({})}.${signature}`)).toBeUndefined();
    expect(takeApart(`${part('x')}.${part({})}.${signature}`)).toBeUndefined();
  });

  it('with two scopes are not believed', () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signed = `${part({ alg: 'ES256', kid: 'k' })}.${part({
      iss: 'pileus',
      sub: 'u',
      iat: 1,
      exp: 2,
      openstack_audit_ids: ['a'],
      openstack_project_id: 'p',
      openstack_system: 'all',
    })}`;
    const options = { key: pair.privateKey, dsaEncoding: 'ieee-p1363' as const };
    const signature = sign('sha256', Buffer.from(signed), options).toString('base64url');
    expect(accepted(`${signed}.${signature}`, pair.publicKey)).toBeUndefined();
  });
});
