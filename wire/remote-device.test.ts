import { deviceServiceContract } from './device-service.contract.ts';
import { nodePair } from './testing/node-pair.ts';

deviceServiceContract('a device over a framed socket', () => nodePair());
deviceServiceContract('a device over gRPC', () => nodePair({ settings: { transport: 'grpc' } }));
