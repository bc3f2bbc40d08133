/** Progress of what takes longer than two seconds, on standard error: one line redrawn on a terminal, a line now and then elsewhere. */
import type { Progress } from './control/protocol.ts';

const quietMs = 2000;
const terminalEveryMs = 100;
const pipeEveryMs = 5000;

export interface ProgressLine {
  show(progress: Progress): void;
  /** Ends the line, if one was begun. */
  end(): void;
}

export function progressLine(stream: NodeJS.WriteStream = process.stderr): ProgressLine {
  const startedMs = performance.now();
  let shownMs = 0;
  let open = false;
  return {
    show(progress) {
      const nowMs = performance.now();
      const everyMs = stream.isTTY ? terminalEveryMs : pipeEveryMs;
      if (nowMs - startedMs < quietMs || nowMs - shownMs < everyMs) return;
      shownMs = nowMs;
      const text = renderProgress(progress, nowMs - startedMs);
      stream.write(stream.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
      open = stream.isTTY === true;
    },
    end() {
      if (open) stream.write('\n');
      open = false;
    },
  };
}

export function renderProgress(progress: Progress, elapsedMs: number): string {
  const share =
    progress.total > 0 ? ` ${Math.floor((100 * progress.done) / progress.total)} %` : '';
  const steps = progress.done > 0 ? ` ${progress.done}` : '';
  const amount = progress.unit === 'bytes' ? ` ${renderBytes(progress.done)}` : steps;
  return `${progress.what}${share}${amount} after ${Math.round(elapsedMs / 1000)} s`;
}

/** `1.5 MiB` and the like. */
export function renderBytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Bytes of `256MiB`, `1G`, `512` … (powers of 1,024; K, KB and KiB mean the same); undefined when it is no size. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGTP]?)(?:i?B)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const power = 'KMGTP'.indexOf((match[2] ?? '').toUpperCase()) + 1;
  const bytes = Number(match[1]) * 1024 ** (match[2] === '' ? 0 : power);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
