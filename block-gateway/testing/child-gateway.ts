/** Starts, asks and kills `gateway-process.ts`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { execPath } from 'node:process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { BlockGatewaySettings } from '../settings.ts';
import type { VolumeStats } from '../volume/volume.ts';

export interface Usage extends VolumeStats {
  readonly cpuUs: number;
  readonly rss: number;
}

export class ChildGateway {
  readonly uri: string;
  private readonly child: ChildProcess;
  private readonly lines: Interface;

  private constructor(child: ChildProcess, lines: Interface, uri: string) {
    this.child = child;
    this.lines = lines;
    this.uri = uri;
  }

  static async start(
    folder: string,
    sizeBytes: number,
    settings: Partial<BlockGatewaySettings> = {},
    /** The unix socket of the storage node, when it is another process. */
    node = '',
  ): Promise<ChildGateway> {
    const socket = `${folder}/nbd-${process.hrtime.bigint()}.sock`;
    const program = fileURLToPath(new URL('./gateway-process.ts', import.meta.url));
    const child = spawn(
      execPath,
      [program, folder, socket, String(sizeBytes), JSON.stringify(settings), node],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    if (child.stdout === null) throw new Error('no pipe');
    const lines = createInterface({ input: child.stdout });
    const { ready } = await next(child, lines);
    return new ChildGateway(child, lines, `nbd+unix:///${ready}?socket=${socket}`);
  }

  async usage(): Promise<Usage> {
    const answer = next(this.child, this.lines);
    this.child.stdin?.write('usage\n');
    return await answer;
  }

  /** `SIGSTOP` and `SIGCONT`. */
  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.gone();
  }

  async close(): Promise<void> {
    this.child.stdin?.write('close\n');
    await this.gone();
  }

  private async gone(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null)
      await once(this.child, 'exit');
  }
}

/** The next line of JSON; log lines are passed over. */
function next(child: ChildProcess, lines: Interface): Promise<Usage & { readonly ready: string }> {
  return new Promise((resolve, reject) => {
    const hear = (line: string) => {
      const parsed = JSON.parse(line);
      if ('level' in parsed) {
        console.error(line);
        return;
      }
      child.off('exit', end);
      lines.off('line', hear);
      resolve(parsed);
    };
    const end = () => reject(new Error('the gateway process ended'));
    child.once('exit', end);
    lines.on('line', hear);
  });
}
