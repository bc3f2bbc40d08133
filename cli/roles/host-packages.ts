/** The packages that servers need, installed beside a cloud that is up already; where that may not be, `lacks.ts` says what to run. */
import Type from 'typebox';
import { declareWorkflow, hasEnded, type Operations, type Workflow } from '#cloud/operations';
import { installPackages, packagesFor } from '../packages.ts';
import type { Settings } from '../settings.ts';
import { lacksHypervisor } from './lacks.ts';

export const hostPackagesWorkflow: Workflow = declareWorkflow({
  name: 'host.packages',
  input: Type.Object({}),
  steps: [
    {
      name: 'install',
      timeoutMs: 900_000,
      retriesMax: 3,
      run: async ({ signal }) => {
        await installPackages(packagesFor.servers, signal);
        return undefined;
      },
    },
  ],
});

/** Called at every start; does nothing when they are there. */
export async function prepareHost(operations: Operations, settings: Settings): Promise<void> {
  if (process.getuid?.() !== 0 || !lacksHypervisor(settings)) return;
  const resource = { type: 'host', id: 'packages' };
  const last = await operations.findLatest(resource);
  if (last !== undefined && !hasEnded(last)) return;
  await operations.start({ workflow: 'host.packages', input: {}, resource });
}
