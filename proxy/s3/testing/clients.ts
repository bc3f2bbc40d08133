/** Runs other people's clients against a server under test, away from the user's own configuration. */
import { execFile } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { blueKey, redKey, type S3World } from './s3-world.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Every program of this name on the search path, different ones only. */
export function programs(name: string): string[] {
  const folders = (process.env.PATH ?? '').split(':');
  const found = folders
    .map((folder) => path.join(folder, name))
    .filter((file) => fs.existsSync(file));
  return [...new Map(found.map((file) => [fs.realpathSync(file), file])).values()];
}

export function clientEnvironment(world: S3World): NodeJS.ProcessEnv {
  const {
    AWS_CA_BUNDLE: _bundle,
    AWS_PROFILE: _profile,
    AWS_ENDPOINT_URL: _endpoint,
    ...rest
  } = process.env;
  return {
    ...rest,
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_ACCESS_KEY_ID: blueKey.accessKey,
    AWS_SECRET_ACCESS_KEY: blueKey.secret,
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_EC2_METADATA_DISABLED: 'true',
    BOTO_CONFIG: '/dev/null',
    S3_ENDPOINT: world.endpoint,
    ALT_ACCESS_KEY: redKey.accessKey,
    ALT_SECRET_KEY: redKey.secret,
    MAIN_ID: blueKey.project,
    ALT_ID: redKey.project,
    PYTHONDONTWRITEBYTECODE: '1',
    BASE_DOMAIN: 's3.test',
    RCLONE_CONFIG: '/dev/null',
    RCLONE_CONFIG_P_TYPE: 's3',
    RCLONE_CONFIG_P_PROVIDER: 'Other',
    RCLONE_CONFIG_P_ENDPOINT: world.endpoint,
    RCLONE_CONFIG_P_ACCESS_KEY_ID: blueKey.accessKey,
    RCLONE_CONFIG_P_SECRET_ACCESS_KEY: blueKey.secret,
  };
}

/** Runs to its end within `timeoutMs`; a failing exit is an answer, not an exception. */
export function run(
  world: S3World,
  command: readonly [string, ...string[]],
  options: { readonly cwd?: string; readonly timeoutMs?: number } = {},
): Promise<Ran> {
  const [program, ...args] = command;
  const { cwd, timeoutMs = 120_000 } = options;
  return new Promise((resolve) => {
    execFile(
      program,
      args,
      {
        env: clientEnvironment(world),
        timeout: timeoutMs,
        maxBuffer: 8 * 1024 * 1024,
        ...(cwd === undefined ? {} : { cwd }),
      },
      (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255;
        resolve({ code, out, err });
      },
    );
  });
}

/** The files under a folder with their contents, for comparing trees. */
export function tree(folder: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    files[path.relative(folder, file)] = fs.readFileSync(file).toString('base64');
  }
  return files;
}
