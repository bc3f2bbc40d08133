/** Log files that a crash left behind are kept for their volume; this lets those go that no opening would look at. */

import type { Tables } from '#cluster';
import { isFailure, type Logger } from '#common';
import { findHead } from '../volume/head-row.ts';
import type { LogFile, LogFiles } from '../volume/log-files.ts';

export interface StaleLogsOptions {
  readonly tables: Tables;
  readonly logFiles: LogFiles;
  readonly log: Logger;
}

/** Once at start. A volume whose head can't be read now keeps its files until the next start. */
export async function releaseStaleLogs(options: StaleLogsOptions): Promise<void> {
  const { tables, logFiles, log } = options;
  for (const volume of logFiles.claimants()) {
    try {
      const head = await findHead(tables, uuidOf(volume));
      const run = head?.state === 'deleting' ? undefined : head?.tail.at(-1);
      for (const file of logFiles.claimsOf(volume)) {
        const wanted = run !== undefined && run.end === undefined && mayFollow(file, run);
        if (!wanted) logFiles.release(file);
      }
    } catch (error) {
      if (!isFailure(error)) throw error;
      log.warn({ err: error, volume }, 'the write-log files of a volume are kept for now');
    }
  }
}

/** The same question as recovery asks: is it of the open-ended run? */
function mayFollow(
  file: LogFile,
  run: { readonly epoch: number; readonly first: number },
): boolean {
  const { label } = file;
  return label !== undefined && label.epoch === run.epoch && label.number >= run.first;
}

function uuidOf(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
