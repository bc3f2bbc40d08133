import { deviceServiceContract } from './device-service.contract.ts';
import { nodePair } from './testing/node-pair.ts';

deviceServiceContract('a device over gRPC', () => nodePair());
