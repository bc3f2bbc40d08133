/** The compute service as the rest of the program sees it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Door, MountableService, UpgradeDoor } from '#cloud/api';
import { isDiskAt } from './belonging.ts';
import { ConsoleProxy } from './consoles/proxy.ts';
import { ComputeCore, type ComputeCoreOptions, type ComputeHost } from './core.ts';
import { diskGrown } from './grown-disks.ts';
import { HostKeeper } from './hosts.ts';
import { type Asking, MetadataService } from './metadata/service.ts';
import { placementService } from './placement/service.ts';
import { ensureFlavors } from './resources/flavors.ts';
import { type Authenticate, computeService } from './service.ts';
import { changeServerWorkflow } from './workflows/change-server.ts';
import { createServerWorkflow } from './workflows/create-server.ts';
import { deleteServerWorkflow } from './workflows/delete-server.ts';

export interface ComputeOptions extends ComputeCoreOptions {
  readonly authenticate: Authenticate;
}

export interface Compute {
  /** The HTTP API, to be mounted on an API server. */
  readonly service: MountableService;
  /** What the scheduler gives out, over Placement's API. */
  readonly placement: MountableService;
  /** Below `/compute-console`: pages for browsers, and the websockets to screens and serial lines. */
  readonly consoles: { readonly serve: Door; readonly upgrade: UpgradeDoor };
  /** What guests ask about themselves; who asks is told by the network. */
  answerGuest(request: IncomingMessage, response: ServerResponse, who: Asking): Promise<void>;
  /** A volume has grown: guests that have it see its new size. */
  diskGrown(volumeId: string, sizeGib: number): Promise<void>;
  /** Whether an attachment of a volume is of a server at this host. */
  isDiskAt(
    host: string,
    disk: { readonly volume: string; readonly attachment: string },
  ): Promise<boolean>;
  /** A host in another process; returns how it leaves. */
  join(host: ComputeHost): Promise<() => void>;
  /** Finds the guests that lived on while this program did not run. */
  reconcile(): Promise<void>;
  close(): Promise<void>;
}

/** Adds its workflows and quotas to what it was handed, makes the usual flavors, and says which hosts there are. */
export async function createCompute(options: ComputeOptions): Promise<Compute> {
  const core = new ComputeCore(options);
  options.operations.add([
    createServerWorkflow(core),
    deleteServerWorkflow(core),
    changeServerWorkflow(core),
  ]);
  await ensureFlavors(core);
  const keeper = new HostKeeper(core);
  await keeper.open();
  const metadata = new MetadataService(core);
  const consoles = new ConsoleProxy(core);
  return {
    consoles: {
      serve: (request, response, prefix) => consoles.serve(request, response, prefix),
      upgrade: (request, socket, head) => consoles.upgrade(request, socket, head),
    },
    answerGuest: (request, response, who) => metadata.handle(request, response, who),
    service: computeService(core, options.authenticate),
    placement: placementService(core, options.authenticate),
    diskGrown: (volumeId, sizeGib) => diskGrown(core, volumeId, sizeGib),
    isDiskAt: (host, disk) => isDiskAt(core, host, disk),
    join: (host) => keeper.join(host),
    reconcile: () => keeper.reconcile(),
    close: async () => {
      consoles.close();
      await keeper.close();
    },
  };
}
