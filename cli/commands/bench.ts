/** `pileus bench …`: measures a cloud, ours or another; the workloads live in `bench/`. */
import { Command } from 'commander';

export function benchCommand(): Command {
  return new Command('bench')
    .description('measure an object store or a volume, and compare two')
    .helpOption(false)
    .allowUnknownOption()
    .argument('[args...]', 'see pileus bench --help')
    .action(async (args: string[]) => {
      // Loaded only here: the benches use development packages.
      const { runBench } = await import('#bench');
      await runBench(args);
    });
}
