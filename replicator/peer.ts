/** A device as the replicator sees it: every call with a deadline, and counted, so that tests can say what comparing costs. */
import { type Clock, Failure } from '#common';
import type { DeviceService, SurveyReply, SurveyRequest } from '#wire';

export interface PeerParts {
  readonly device: number;
  readonly service: DeviceService;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

export class Peer {
  readonly device: number;
  calls = 0;
  private readonly parts: PeerParts;

  constructor(parts: PeerParts) {
    this.device = parts.device;
    this.parts = parts;
  }

  isWayTo(service: DeviceService): boolean {
    return this.parts.service === service;
  }

  call<T>(run: (service: DeviceService) => Promise<T>): Promise<T> {
    const { clock, service, timeoutMs } = this.parts;
    this.calls += 1;
    return new Promise((resolve, reject) => {
      const timer = clock.after(timeoutMs, () => reject(late(this.device, timeoutMs)));
      const settle = <V>(then: (value: V) => void) => {
        return (value: V) => {
          timer.cancel();
          then(value);
        };
      };
      started(run, service).then(settle(resolve), settle(reject));
    });
  }

  survey(request: SurveyRequest): Promise<SurveyReply> {
    return this.call((service) => service.survey(request));
  }
}

async function started<T>(
  run: (service: DeviceService) => Promise<T>,
  service: DeviceService,
): Promise<T> {
  return run(service);
}

function late(device: number, timeoutMs: number): Failure {
  return new Failure('unreachable', 'deadline-passed', 'A device did not answer in time', {
    facts: { device, timeoutMs },
  });
}
