/** What a log-in sends: proofs of identity, and the scope it wants. */
import Type, { type Static } from 'typebox';
import type { Proof, WantedScope } from '../../authenticate/authenticator.ts';
import { identityFailure } from '../../failures.ts';

const short = Type.String({ maxLength: 255 });
const domain = Type.Object({ id: Type.Optional(short), name: Type.Optional(short) });
const reference = Type.Object({
  id: Type.Optional(short),
  name: Type.Optional(short),
  domain: Type.Optional(domain),
});
const identity = Type.Object({
  methods: Type.Array(Type.String({ maxLength: 64 }), { maxItems: 8 }),
  password: Type.Optional(
    Type.Object({
      user: Type.Object({ ...reference.properties, password: Type.String({ maxLength: 4096 }) }),
    }),
  ),
  token: Type.Optional(Type.Object({ id: Type.String({ maxLength: 4096 }) })),
  totp: Type.Optional(
    Type.Object({
      user: Type.Object({ ...reference.properties, passcode: Type.String({ maxLength: 64 }) }),
    }),
  ),
  application_credential: Type.Optional(
    Type.Object({
      id: Type.Optional(short),
      name: Type.Optional(short),
      secret: Type.String({ maxLength: 1024 }),
      user: Type.Optional(reference),
    }),
  ),
});
const scope = Type.Union([
  Type.String({ maxLength: 64 }),
  Type.Object({
    unscoped: Type.Optional(Type.Object({})),
    project: Type.Optional(reference),
    domain: Type.Optional(domain),
    system: Type.Optional(Type.Object({ all: Type.Optional(Type.Boolean()) })),
    'OS-TRUST:trust': Type.Optional(Type.Object({ id: Type.Optional(short) })),
  }),
]);
export const authBody = Type.Object({
  auth: Type.Object({ identity, scope: Type.Optional(scope) }),
});

/** The proofs a log-in brings: every method it names must have its part. */
export function proofsOf(given: Static<typeof identity>): Proof[] {
  const missing = (method: string) =>
    identityFailure('schema-invalid', { detail: `Expecting to find ${method} in identity.` });
  return [...new Set(given.methods)].map((method): Proof => {
    switch (method) {
      case 'password': {
        if (given.password === undefined) throw missing(method);
        const { password, ...user } = given.password.user;
        if (user.id === undefined && user.name === undefined)
          throw identityFailure('schema-invalid', {
            detail: 'Invalid input for field identity/password/user: id or name must be present.',
          });
        return { method, user, password };
      }
      case 'totp': {
        if (given.totp === undefined) throw missing(method);
        const { passcode, ...user } = given.totp.user;
        if (user.id === undefined && user.name === undefined)
          throw identityFailure('schema-invalid', {
            detail: 'Invalid input for field identity/totp/user: id or name must be present.',
          });
        return { method, user, passcode };
      }
      case 'token':
        if (given.token === undefined) throw missing(method);
        return { method, token: given.token.id };
      case 'application_credential': {
        if (given.application_credential === undefined) throw missing(method);
        const { secret, user, ...credential } = given.application_credential;
        return { method, credential, user, secret };
      }
      default:
        throw identityFailure('method-unsupported');
    }
  });
}

export function scopeOf(given: Static<typeof scope> | undefined): WantedScope {
  if (given === undefined) return { kind: 'default' };
  if (typeof given === 'string') {
    if (given === 'unscoped') return { kind: 'unscoped' };
    throw identityFailure('schema-invalid', { detail: 'The only scope in one word is unscoped.' });
  }
  const parts = Object.keys(given);
  if (parts.length > 1)
    throw identityFailure('schema-invalid', {
      detail: 'Authentication cannot be scoped to several targets.',
    });
  if (given.project !== undefined)
    return { kind: 'project', project: named(given.project, 'project') };
  if (given.domain !== undefined) return { kind: 'domain', domain: named(given.domain, 'domain') };
  const trust = given['OS-TRUST:trust'];
  if (trust?.id !== undefined) return { kind: 'trust', trustId: trust.id };
  if (given.system?.all === true) return { kind: 'system' };
  if (given.unscoped !== undefined) return { kind: 'unscoped' };
  throw identityFailure('schema-invalid', { detail: 'Expecting to find a target in scope.' });
}

function named<R extends { readonly id?: string; readonly name?: string }>(
  given: R,
  what: string,
): R {
  if (given.id !== undefined || given.name !== undefined) return given;
  throw identityFailure('schema-invalid', {
    detail: `Invalid input for field scope/${what}: id or name must be present.`,
  });
}
