/** Who is calling: what the object front door asks of an identity service, which `cli/` hands in. */

export interface Identity {
  readonly userId: string;
  readonly userName: string;
  /** Of a user that is kept under a path, in S3's names for it; `/` without it. */
  readonly userPath?: string;
  /** Undefined for a token without project scope. */
  readonly projectId: string | undefined;
  readonly projectName: string | undefined;
  readonly domainId: string | undefined;
  readonly domainName: string | undefined;
  /** Of the user; the two above are the project's. */
  readonly userDomainId?: string;
  readonly roles: readonly string[];
  /** May act on any account: an administrator of the whole cloud. */
  readonly reseller: boolean;
  /** Of a token that is confined to some requests, whether this is one of them. */
  readonly permits?: (line: RequestLine) => boolean;
  /** Milliseconds since 1970 after which the credential is no longer good; undefined for keys that do not expire. */
  readonly expiresMs: number | undefined;
  /** Policies that alone say what it may do; absent for those whose roles say it. JSON. */
  readonly policies?: readonly string[];
  /** Of a session: a policy that everything it does must be within. JSON. */
  readonly sessionPolicy?: string;
  /** Of a session that took on a role: the role's name in policies, and the session's. */
  readonly roleArn?: string;
  readonly sessionArn?: string;
}

export type OwnerQuery = { readonly id: string } | { readonly email: string };

/** A project, as access control lists name it. */
export interface Owner {
  readonly id: string;
  readonly displayName: string;
  /** Absent where there is but one domain. */
  readonly domainId?: string;
}

/** What a token may be confined to: the method, and the path without its query. */
export interface RequestLine {
  readonly method: string;
  readonly path: string;
}

export interface PasswordSession {
  readonly token: string;
  readonly identity: Identity;
}

export interface AccessKey {
  readonly secret: string;
  readonly identity: Identity;
}

export interface Authenticator {
  /** `projectUser` is TempAuth's `project:user`. Undefined when the pair is not good; never says which half. */
  authenticatePassword(projectUser: string, key: string): Promise<PasswordSession | undefined>;
  /** Without a request, a token that is confined to some is good for nothing. */
  validateToken(token: string, line?: RequestLine): Promise<Identity | undefined>;
  /** The secret that belongs to an S3 access key; undefined when there is no such key. What is remembered is answered at once. */
  s3Secret(accessKey: string): AccessKey | undefined | Promise<AccessKey | undefined>;
  /** The project of that id, or of a user with that address; absent where nobody can tell. */
  findOwner?(query: OwnerQuery): Promise<Owner | undefined>;
  /** Calls `listener` when tokens or keys were revoked, so that caches of validations are dropped. Returns how to stop. */
  onRevoked(listener: () => void): () => void;
}

/** The account that holds a project's containers. */
export function accountOf(projectId: string): string {
  return `AUTH_${projectId}`;
}
