/** What every stage is made from. */
import type { SwiftServices, SwiftStage } from '../swift-request.ts';

/** Undefined when the settings leave the stage nothing to do: then it is not in anybody's way. */
export type CreateStage = (services: SwiftServices) => SwiftStage | undefined;
