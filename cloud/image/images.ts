/** The image service as the rest of the program sees it. */
import type { MountableService, PolicyRules } from '#cloud/api';
import { type CoreOptions, ImageCore } from './core.ts';
import { type Authenticate, imageService } from './service.ts';
import { importWork } from './tasks/import.ts';
import { TaskRunner } from './tasks/runner.ts';

export interface ImagesOptions extends CoreOptions {
  readonly authenticate: Authenticate;
  /** Policy rules that replace the defaults. */
  readonly policy?: PolicyRules;
}

export interface Images {
  /** The HTTP API, to be mounted on an API server. */
  readonly service: MountableService;
  close(): Promise<void>;
}

export async function createImages(options: ImagesOptions): Promise<Images> {
  const core = new ImageCore(options);
  const imports = importWork(core);
  const runner = new TaskRunner(core, { api_image_import: imports, import: imports });
  const service = imageService(core, {
    authenticate: options.authenticate,
    wake: () => runner.wake(),
    overrides: options.policy ?? {},
  });
  await runner.open();
  return { service, close: () => runner.close() };
}
