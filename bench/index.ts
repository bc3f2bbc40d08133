/** The benches: what `pileus bench …` runs, and the parts that tests and reports use by themselves. */
import { benchProgram } from './commands.ts';

export { type Comparison, compareRows, median, renderComparison } from './compare.ts';
export { type MeasureOptions, measure } from './measure.ts';
export { objectPreset, type Pace, type PresetName, volumePreset } from './presets.ts';
export { type MachineUse, watchMachine } from './processes.ts';
export { type Result, type Row, readResult, writeResult } from './result.ts';
export { renderRows } from './table.ts';
export { parseTarget, type ServerPlace, type Target } from './target.ts';
export type { ObjectWorkload, VolumeWorkload } from './workload.ts';

/** Runs one bench command, given what stands after `pileus bench`; failures are thrown. */
export async function runBench(args: readonly string[]): Promise<void> {
  const program = benchProgram(
    (text) => process.stdout.write(`${text}\n`),
    (line) => process.stderr.write(`bench: ${line}\n`),
  );
  program.exitOverride();
  for (const command of program.commands) command.exitOverride();
  await program.parseAsync([...args], { from: 'user' });
}
