/** What a token that stands for somebody else, or for less than its user, may not do. */
import { callerOf, type Request } from '../../caller.ts';
import { identityFailure } from '../../failures.ts';

/** Whether the token was got by something that delegates: a trust, or an EC2 signature. */
export function isDelegated(request: Request): boolean {
  const { info } = callerOf(request);
  return info.trust !== undefined || info.methods.includes('ec2credential');
}

/** A delegation must not turn into credentials of its own: those would outlive it. */
export function refuseDelegation(request: Request): void {
  if (isDelegated(request))
    throw identityFailure('forbidden', {
      why: 'Cannot manage application credentials with a token issued via delegation.',
    });
}
