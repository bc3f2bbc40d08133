/** The control calls behind `pileus user …`. */
import { Type } from 'typebox';
import type { Identity } from '#cloud/identity';
import type { CreatedUser } from '../commands/user.ts';
import { parseArguments } from '../control/arguments.ts';
import type { ControlHandler } from '../control/protocol.ts';

const Name = Type.String({ minLength: 1, maxLength: 255 });
const CreateUser = Type.Object({
  project: Name,
  name: Name,
  password: Type.String({ minLength: 1, maxLength: 4096 }),
  role: Type.Union(['admin', 'manager', 'member', 'reader'].map((role) => Type.Literal(role))),
  s3: Type.Optional(Type.Boolean()),
});

export function userCalls(identity: Identity): Readonly<Record<string, ControlHandler>> {
  return {
    'user-create': async (args) => {
      const wanted = parseArguments(CreateUser, args);
      const made = await identity.createUser({ ...wanted, s3: wanted.s3 ?? false });
      const user: CreatedUser = {
        id: made.userId,
        name: made.userName,
        project: made.projectName,
        project_id: made.projectId,
        role: made.role,
        ...(made.s3 === undefined
          ? {}
          : { s3: { access_key: made.s3.accessKey, secret_key: made.s3.secretKey } }),
      };
      return user;
    },
    'user-list': async () => {
      const users = await identity.listUsers();
      return users.map((user) => ({
        id: user.userId,
        name: user.userName,
        enabled: user.enabled,
        projects: user.projects,
      }));
    },
  };
}
