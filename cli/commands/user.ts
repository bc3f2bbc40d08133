/** `pileus user …`: projects, users and S3 keys of a running cloud. */
import { Command } from 'commander';
import { call } from '../control/client.ts';
import {
  type DataOptions,
  dataOption,
  folderOf,
  groupCommand,
  jsonOption,
  print,
} from './options.ts';

interface CreateOptions extends DataOptions {
  readonly project: string;
  readonly name: string;
  readonly password: string;
  readonly role: string;
  readonly s3?: boolean;
  readonly json?: boolean;
}

/** What `user create` prints. */
export interface CreatedUser {
  readonly id: string;
  readonly name: string;
  readonly project: string;
  readonly project_id: string;
  readonly role: string;
  readonly s3?: { access_key: string; secret_key: string };
}

export function userCommand(): Command {
  const create = new Command('create')
    .description('create a user, and the project when it is new')
    .requiredOption('--project <name>', 'project to be a member of')
    .requiredOption('--name <name>', 'user name')
    .requiredOption('--password <word>', 'password')
    .option('--role <role>', 'admin, manager, member or reader', 'member')
    .option('--s3', 'also make an S3 key pair')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async ({ data, json, ...args }: CreateOptions) => {
      const user = (await call(folderOf({ data }), 'user-create', args)) as CreatedUser;
      print(json === true ? user : renderUser(user));
    });
  const list = new Command('list')
    .description('list users')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (options: DataOptions & { json?: boolean }) => {
      const users = (await call(folderOf(options), 'user-list')) as {
        id: string;
        name: string;
        domain: string;
      }[];
      print(
        options.json === true ? users : users.map((user) => `${user.id}  ${user.name}`).join('\n'),
      );
    });
  return groupCommand('user', 'manage users', [create, list]);
}

function renderUser(user: CreatedUser): string {
  const lines = [
    `user     ${user.name} (${user.id})`,
    `project  ${user.project} (${user.project_id})`,
    `role     ${user.role}`,
  ];
  if (user.s3 !== undefined)
    lines.push(`S3       access key ${user.s3.access_key}, secret key ${user.s3.secret_key}`);
  return lines.join('\n');
}
