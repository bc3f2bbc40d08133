/** The image service as the rest of the program sees it. */
import { type MountableService, Policy, type PolicyRules } from '#cloud/api';
import { clearScratch, qemuImgConverter } from './content/qemu-img.ts';
import { Sweeper } from './content/sweeper.ts';
import { type CoreOptions, ImageCore } from './core.ts';
import { type ImagesForVolumes, imagesForVolumes } from './for-volumes.ts';
import { declareQuotas } from './images/quotas.ts';
import { type LocalImages, localImages } from './local.ts';
import { imageRules } from './policies.ts';
import { type Authenticate, imageService } from './service.ts';
import { importWorkflow } from './tasks/import.ts';
import { injectedProperties } from './tasks/injection.ts';
import { volumeWorkflow } from './tasks/volume-operation.ts';

export interface ImagesOptions extends CoreOptions {
  readonly authenticate: Authenticate;
  /** Where images lie while they are converted; of this process alone. */
  readonly scratch: string;
  /** Policy rules that replace the defaults. */
  readonly policy?: PolicyRules;
}

export interface Images {
  /** The HTTP API, to be mounted on an API server. */
  readonly service: MountableService;
  readonly local: LocalImages;
  readonly forVolumes: ImagesForVolumes;
  close(): Promise<void>;
}

export async function createImages(options: ImagesOptions): Promise<Images> {
  const core = new ImageCore(options);
  // What cannot be injected is said at the start, not at the first import.
  injectedProperties(options.settings);
  declareQuotas(core);
  await clearScratch(options.scratch);
  const converter = qemuImgConverter(options.scratch, options.settings);
  core.operations.add([importWorkflow(core), volumeWorkflow(core, converter)]);
  const policy = new Policy(imageRules).with(options.policy ?? {});
  const service = imageService(core, options.authenticate, policy);
  const sweeper = new Sweeper(core);
  await sweeper.open();
  return {
    service,
    local: localImages(core),
    forVolumes: imagesForVolumes(core, options.authenticate, policy),
    close: () => sweeper.close(),
  };
}
