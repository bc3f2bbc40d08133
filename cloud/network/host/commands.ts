/** Runs the host's own tools: short, bounded, in a namespace when told so; what they print on failure is the failure. */
import { execFile } from 'node:child_process';
import { Failure } from '#common';

const timeoutMs = 20_000;
const outputBytesMax = 4 * 1024 * 1024;

/** These tools are in the system's folders, whatever the caller's environment says. */
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface RunOptions {
  readonly namespace?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
}

export function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { namespace } = options;
  const [file, all] =
    namespace === undefined
      ? [program, args]
      : ['ip', ['netns', 'exec', namespace, program, ...args]];
  return new Promise((resolve, reject) => {
    const environment = { PATH: path, LC_ALL: 'C', ...options.env };
    execFile(
      file,
      [...all],
      { env: environment, timeout: timeoutMs, maxBuffer: outputBytesMax },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout);
        const said = stderr.trim().split('\n').slice(-3).join(' ');
        reject(
          new Failure(
            'unreachable',
            'network-tool-failed',
            `${program} failed: ${said === '' ? error.message : said}`,
            {
              facts: { program, arguments: args.join(' ').slice(0, 300) },
              cause: error,
            },
          ),
        );
      },
    );
  });
}

/** Whether a command succeeds: for looking whether something is there. */
export async function succeeds(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<boolean> {
  return await run(program, args, options).then(
    () => true,
    () => false,
  );
}
