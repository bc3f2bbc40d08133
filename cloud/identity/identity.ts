/** Identity as the rest of the program sees it. */
import type { MountableService, PolicyRules } from '../api/index.ts';
import {
  type Account,
  type AccountSummary,
  Accounts,
  type NewAccount,
  projectIdOf,
  type S3Access,
} from './accounts.ts';
import { Authenticator, type Issued } from './authenticate/authenticator.ts';
import {
  type AdminCredentials,
  bootstrap,
  type CatalogEntry,
  publishCatalog,
} from './bootstrap.ts';
import { Contexts } from './contexts.ts';
import { type CoreOptions, IdentityCore } from './core.ts';
import { Directories } from './directory/directories.ts';
import { FederatedLogIns } from './federation/federated-log-in.ts';
import { OpenIdProviders } from './federation/openid.ts';
import { findProject, findProjectByEmail, type ProjectOwner } from './project-owners.ts';
import { mayRequest, type ServiceRequest } from './resources/credentials/access-rules.ts';
import type { KeyPair } from './resources/credentials/credentials.ts';
import { identityService } from './service.ts';
import { type TokenInfo, Tokens } from './tokens/tokens.ts';

export interface IdentityOptions extends CoreOptions {
  /** Policy rules that replace the defaults. */
  readonly policy?: PolicyRules;
}

export interface Identity {
  /** The HTTP API, to be mounted on an API server. */
  readonly service: MountableService;
  /**
   * Fills an empty state (true when it was), and writes into the catalog where this program's services are, identity's
   * own included. Call once at every start.
   */
  bootstrap(admin: AdminCredentials, endpoints: readonly CatalogEntry[]): Promise<boolean>;
  /** TempAuth's log-in by `project:user`; nothing when the pair is not good. */
  authenticatePassword(projectUser: string, password: string): Promise<Issued | undefined>;
  /**
   * What a token stands for now; nothing when it is not valid, or not for this request. Who does not say what the request
   * is has no use of tokens that are confined to some. No request leaves the process.
   */
  validateToken(token: string, request?: ServiceRequest): Promise<TokenInfo | undefined>;
  s3Secret(accessKey: string): Promise<S3Access | undefined>;
  /** The project of that id, or of a user with that address. */
  findOwner(
    query: { readonly id: string } | { readonly email: string },
  ): Promise<ProjectOwner | undefined>;
  /** A project of the default domain by its name. */
  projectId(name: string): Promise<string | undefined>;
  hasProject(id: string): Promise<boolean>;
  createUser(account: NewAccount): Promise<Account>;
  createS3Key(project: string, userName: string): Promise<KeyPair>;
  listUsers(): Promise<AccountSummary[]>;
  setPassword(userName: string, password: string): Promise<void>;
  removeUser(userName: string): Promise<void>;
  /** Signs with a new key from now on; nobody is logged out. */
  rotateTokenKey(): Promise<void>;
  /** Called after every change of users, roles, keys or revocations: what was validated before may not hold. */
  onRevoked(listener: () => void): () => void;
  close(): Promise<void>;
}

export async function createIdentity(options: IdentityOptions): Promise<Identity> {
  const core = new IdentityCore(options);
  const contexts = new Contexts(core);
  const tokens = new Tokens(core, contexts);
  const directories = new Directories(core);
  const authenticator = new Authenticator(core, tokens, directories);
  const accounts = new Accounts(core, contexts, authenticator);
  const providers = new OpenIdProviders(options.clock);
  const federated = new FederatedLogIns(core, providers, authenticator);
  await core.open();
  return {
    service: identityService(
      { core, tokens, authenticator, accounts, federated, directories },
      options.policy ?? {},
    ),
    bootstrap: async (admin, endpoints) => {
      const first = await bootstrap(core, admin);
      await publishCatalog(core, endpoints);
      return first;
    },
    authenticatePassword: (projectUser, password) => accounts.logIn(projectUser, password),
    validateToken: async (token, request) => {
      const info = await tokens.validate(token);
      return info !== undefined && mayRequest(info, request) ? info : undefined;
    },
    s3Secret: (accessKey) => accounts.s3Access(accessKey),
    findOwner: (query) =>
      'id' in query ? findProject(core.db, query.id) : findProjectByEmail(core.db, query.email),
    projectId: (name) => projectIdOf(core.db, name),
    hasProject: async (id) => {
      const row = await core.db
        .selectFrom('identity_project')
        .select('id')
        .where('id', '=', id)
        .where('is_domain', '=', 0)
        .executeTakeFirst();
      return row !== undefined;
    },
    createUser: (account) => accounts.create(account),
    createS3Key: (project, userName) => accounts.createS3Key(project, userName),
    listUsers: () => accounts.list(),
    setPassword: (userName, password) => accounts.setPassword(userName, password),
    removeUser: (userName) => accounts.remove(userName),
    rotateTokenKey: () => core.rotateTokenKey(),
    onRevoked: (listener) => core.onChanged(listener),
    close: () => core.close(),
  };
}
