/** `pileus run ROLE… --config FILE`: one process of a cluster whose roles run apart; `pileus prepare` writes such files. */
import { Argument, Command } from 'commander';
import { Failure, systemRandom } from '#common';
import { integerArgument, print } from './options.ts';

/** Roles that share the control plane's database file and so run in one process for the time being. */
const frontRoles = ['proxy', 'controller', 'gateway'] as const;
const roles = ['storage', 'compute', ...frontRoles] as const;
type Role = (typeof roles)[number];

export function runCommand(): Command {
  return new Command('run')
    .description('run some roles of a cluster in this process, in the foreground')
    .addArgument(
      new Argument(
        '<role...>',
        'storage, or compute, or proxy controller gateway together',
      ).choices(roles),
    )
    .requiredOption('--config <file>', 'settings file of this process (YAML)')
    .action(async (named: Role[], options: { config: string }) => {
      const wanted = new Set(named);
      if (wanted.size === 1 && wanted.has('compute')) {
        const { readHostConfig } = await import('../hosts/host-config.ts');
        const { runComputeHost } = await import('../roles/compute-host.ts');
        return runComputeHost(readHostConfig(options.config), print);
      }
      const { readNodeConfig } = await import('../roles/node-config.ts');
      const { runFront, runStorage } = await import('../roles/processes.ts');
      const config = readNodeConfig(options.config);
      if (wanted.size === 1 && wanted.has('storage')) return runStorage(config, print);
      if (frontRoles.every((role) => wanted.has(role)) && wanted.size === frontRoles.length)
        return runFront(config, print);
      throw new Failure(
        'invalid',
        'roles-apart',
        'Run storage alone, compute alone, or proxy, controller and gateway together',
      );
    });
}

export function prepareCommand(): Command {
  return new Command('prepare')
    .description('write settings files and certificates for a cluster of separate processes')
    .argument('<folder>', 'where to write them')
    .option('--nodes <n>', 'storage processes, one device and zone each', integerArgument(1, 64), 4)
    .option('--replicas <n>', 'copies of everything', integerArgument(1, 16), 3)
    .option('--port-base <n>', 'first of the ports', integerArgument(1024, 60_000), 18_080)
    .option('--host <address>', 'address of all processes', '127.0.0.1')
    .action(
      async (
        folder: string,
        options: { nodes: number; replicas: number; portBase: number; host: string },
      ) => {
        const { machinesAt, prepareCluster } = await import('../roles/prepare.ts');
        const { nodes, replicas, portBase, host } = options;
        const machines = machinesAt(host, portBase, nodes);
        const front = { host, port: portBase };
        const files = await prepareCluster(
          { ...{ folder, machines, replicas, front }, partPower: 10, sockets: true },
          systemRandom,
        );
        for (const { roles: named, file } of files)
          print(`./pileus run ${named.join(' ')} --config ${file}`);
      },
    );
}
