/**
 * A token: a JWS in compact form (RFC 7515), ES256, with Keystone's own claim names. Layout: docs/formats/token.md.
 * Everything about a token that could change meanwhile (names, roles, enabled) is deliberately not in it.
 */
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

export type TokenScope =
  | { readonly kind: 'unscoped' }
  | { readonly kind: 'project'; readonly projectId: string }
  | { readonly kind: 'domain'; readonly domainId: string }
  | { readonly kind: 'system' };

export interface TokenClaims {
  readonly userId: string;
  readonly scope: TokenScope;
  /** How the user proved to be that user, in order: `password`, `token`, `application_credential` … */
  readonly methods: readonly string[];
  /** The token's own id, then the id of the first token it was made from. */
  readonly auditIds: readonly [string, string];
  readonly issuedAtUs: number;
  readonly expiresAtUs: number;
  readonly applicationCredentialId?: string;
  readonly trustId?: string;
  readonly federated?: FederatedClaims;
}

/** Who vouched for the user, and the groups that a mapping gave for this token alone. */
export interface FederatedClaims {
  readonly idpId: string;
  readonly protocolId: string;
  readonly groupIds: readonly string[];
}

/** Longer texts are not even parsed. */
export const tokenCharactersMax = 8192;
const algorithm = { dsaEncoding: 'ieee-p1363' } as const;

export function encodeToken(claims: TokenClaims, kid: string, privateKey: KeyObject): string {
  const header = encodePart({ typ: 'JWT', alg: 'ES256', kid });
  const signed = `${header}.${encodePart(payloadOf(claims))}`;
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, ...algorithm });
  return `${signed}.${signature.toString('base64url')}`;
}

export interface TokenParts {
  readonly kid: string;
  readonly signed: Buffer;
  readonly signature: Buffer;
  readonly payload: string;
}

/** Takes a token apart without believing any of it; nothing when it is not one of ours. */
export function takeApart(token: string): TokenParts | undefined {
  if (token.length > tokenCharactersMax) return undefined;
  const [header, payload, signature, more] = token.split('.');
  if (header === undefined || payload === undefined || signature === undefined) return undefined;
  if (more !== undefined) return undefined;
  const fields = decodePart(header);
  // The algorithm is ours to say: a token that names another one is not looked at.
  if (fields === undefined || fields.alg !== 'ES256' || fields.crit !== undefined) return undefined;
  const { kid } = fields;
  if (typeof kid !== 'string') return undefined;
  const bytes = Buffer.from(signature, 'base64url');
  // Base64 has several spellings of the same bytes; only the one we write is a token.
  if (bytes.length !== 64 || bytes.toString('base64url') !== signature) return undefined;
  return { kid, signed: Buffer.from(`${header}.${payload}`), signature: bytes, payload };
}

export function isGenuine(parts: TokenParts, publicKey: KeyObject): boolean {
  return verify('sha256', parts.signed, publicKey, derOf(parts.signature));
}

/**
 * r ‖ s as the ASN.1 sequence that OpenSSL checks. Node can do this itself (`dsaEncoding`), at 60 µs a token: more than
 * half of what the check costs.
 */
export function derOf(signature: Buffer): Buffer {
  const r = derInteger(signature.subarray(0, 32));
  const s = derInteger(signature.subarray(32));
  return Buffer.concat([Buffer.of(0x30, r.length + s.length), r, s]);
}

function derInteger(bytes: Buffer): Buffer {
  let from = 0;
  while (from < bytes.length - 1 && bytes.readUInt8(from) === 0) from++;
  const digits = bytes.subarray(from);
  // A first bit that is set would make the number negative.
  const padding = digits.readUInt8(0) >= 0x80 ? [0] : [];
  return Buffer.concat([Buffer.of(0x02, digits.length + padding.length, ...padding), digits]);
}

/** The claims of a genuine token; nothing when a later program wrote what this one cannot honour. */
export function readClaims(parts: TokenParts): TokenClaims | undefined {
  const payload = decodePart(parts.payload);
  // The second issuer is the first with claims that a program without them must not overlook.
  if (payload === undefined || (payload.iss !== 'pileus' && payload.iss !== 'pileus2'))
    return undefined;
  const { sub, iat, exp } = payload;
  const methods = payload.openstack_methods;
  const [auditId, chainId] = textsOf(payload.openstack_audit_ids);
  if (typeof sub !== 'string' || typeof iat !== 'number' || typeof exp !== 'number')
    return undefined;
  if (auditId === undefined) return undefined;
  const scope = scopeOf(payload);
  if (scope === undefined) return undefined;
  const credential = payload.openstack_app_cred_id;
  const trustId = payload.openstack_trust_id;
  const idpId = payload.openstack_idp_id;
  const protocolId = payload.openstack_protocol_id;
  return {
    userId: sub,
    scope,
    methods: textsOf(methods),
    auditIds: [auditId, chainId ?? auditId],
    issuedAtUs: Math.round(iat * 1e6),
    expiresAtUs: Math.round(exp * 1e6),
    ...(typeof credential === 'string' ? { applicationCredentialId: credential } : {}),
    ...(typeof trustId === 'string' ? { trustId } : {}),
    ...(typeof idpId === 'string' && typeof protocolId === 'string'
      ? { federated: { idpId, protocolId, groupIds: textsOf(payload.openstack_group_ids) } }
      : {}),
  };
}

function payloadOf(claims: TokenClaims): Record<string, unknown> {
  const { scope, trustId, federated } = claims;
  return {
    iss: trustId === undefined && federated === undefined ? 'pileus' : 'pileus2',
    sub: claims.userId,
    iat: claims.issuedAtUs / 1e6,
    exp: claims.expiresAtUs / 1e6,
    openstack_methods: claims.methods,
    openstack_audit_ids: [...new Set(claims.auditIds)],
    ...(scope.kind === 'project' ? { openstack_project_id: scope.projectId } : {}),
    ...(scope.kind === 'domain' ? { openstack_domain_id: scope.domainId } : {}),
    ...(scope.kind === 'system' ? { openstack_system: 'all' } : {}),
    ...(claims.applicationCredentialId === undefined
      ? {}
      : { openstack_app_cred_id: claims.applicationCredentialId }),
    ...(trustId === undefined ? {} : { openstack_trust_id: trustId }),
    ...(federated === undefined
      ? {}
      : {
          openstack_idp_id: federated.idpId,
          openstack_protocol_id: federated.protocolId,
          openstack_group_ids: federated.groupIds,
        }),
  };
}

function scopeOf(payload: Record<string, unknown>): TokenScope | undefined {
  const projectId = payload.openstack_project_id;
  const domainId = payload.openstack_domain_id;
  const system = payload.openstack_system;
  const given = [projectId, domainId, system].filter((part) => part !== undefined);
  if (given.length === 0) return { kind: 'unscoped' };
  if (given.length > 1) return undefined;
  if (typeof projectId === 'string') return { kind: 'project', projectId };
  if (typeof domainId === 'string') return { kind: 'domain', domainId };
  return system === 'all' ? { kind: 'system' } : undefined;
}

const textsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : [];

const encodePart = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');

function decodePart(part: string): Record<string, unknown> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch (error) {
    // Not JSON: not a token. Anything but a syntax error would be news.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? { ...value }
    : undefined;
}

export const publicKeyOf = (jwk: Record<string, unknown>): KeyObject =>
  createPublicKey({ key: jwk, format: 'jwk' });
