/** The methods that `Allow` names for a path. */
import type { SwiftRequest, SwiftServices } from './swift-request.ts';

const ofContainer = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'];
const ofAccount = ['GET', 'HEAD', 'POST'];

export function allowedMethods(
  { path }: SwiftRequest,
  { swift, offers }: Pick<SwiftServices, 'swift' | 'offers'>,
): string {
  if (path.container === undefined) {
    const more = swift.accountManagement ? ['PUT', 'DELETE'] : [];
    return [...ofAccount, ...more, 'OPTIONS'].join(', ');
  }
  const copy = path.object !== undefined && offers.has('copy') ? ['COPY'] : [];
  return [...ofContainer, ...copy, 'OPTIONS'].join(', ');
}
