/** The read-only switch: of the whole cloud, or of one account (`X-Account-Sysmeta-Read-Only`, set by a reseller). */
import { isReseller } from '../access.ts';
import { textReply } from '../refusal.ts';
import {
  headerOf,
  type SwiftRequest,
  type SwiftServices,
  type SwiftStage,
} from '../swift-request.ts';
import { decodePercent, isTrue } from '../text.ts';

/** System field of an account: `true` or `false` says it for this one, whatever holds for the cloud. */
export const readOnlyField = 'read-only';
export const readOnlyHeader = 'x-account-sysmeta-read-only';

export function createReadOnly(services: SwiftServices): SwiftStage {
  const { readOnly, readOnlyDeletes } = services.swift;
  const writes = new Set(['COPY', 'POST', 'PUT', ...(readOnlyDeletes ? [] : ['DELETE'])]);
  const isReadOnly = async (account: string) => {
    const { system } = await services.objects.accounts.peek(account);
    const own = system[readOnlyField];
    return own === undefined || own === '' ? readOnly : isTrue(own);
  };
  const accountOf = ({ exchange, path }: SwiftRequest) => {
    const given =
      exchange.method === 'COPY' ? headerOf(exchange, 'destination-account') : undefined;
    return given === undefined ? path.account : (decodePercent(given) ?? path.account);
  };
  /** The switch itself stays within reach: or what was shut could not be opened again. */
  const setsSwitch = ({ exchange, path, caller }: SwiftRequest) =>
    exchange.method === 'POST' &&
    path.container === undefined &&
    headerOf(exchange, readOnlyHeader) !== undefined &&
    isReseller(caller);
  const checked: SwiftStage = async (request, next) =>
    !setsSwitch(request) && (await isReadOnly(accountOf(request)))
      ? textReply(405, 'Writes are disabled for this account.')
      : await next(request);
  return (request, next) =>
    writes.has(request.exchange.method) ? checked(request, next) : next(request);
}
