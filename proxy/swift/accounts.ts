/** Accounts: GET, HEAD, POST. */
import type { Account } from '../objects/index.ts';
import { authorize } from './access.ts';
import { listingReply, readFormat, readRange, renderContainers } from './listing.ts';
import { applyChange, readMetadata, writeMetadata } from './metadata.ts';
import type { Operation, SwiftRequest, SwiftServices } from './swift-request.ts';
import { timestamp } from './text.ts';

async function accountHeaders(
  account: Account,
  { objects }: SwiftServices,
): Promise<Record<string, string | number>> {
  const usage = await objects.accounts.usage(account.name);
  const headers: Record<string, string | number> = {
    'X-Account-Container-Count': usage.containers,
    'X-Account-Object-Count': usage.objects,
    'X-Account-Bytes-Used': usage.bytes,
    'X-Account-Storage-Policy-Default-Container-Count': usage.containers,
    'X-Account-Storage-Policy-Default-Object-Count': usage.objects,
    'X-Account-Storage-Policy-Default-Bytes-Used': usage.bytes,
    'X-Timestamp': timestamp(account.createdUs ?? 0),
    'X-Put-Timestamp': timestamp(account.createdUs ?? 0),
    'Accept-Ranges': 'bytes',
  };
  writeMetadata(headers, 'account', account.metadata);
  return headers;
}

export const getAccount: Operation<SwiftRequest> = async (request, services) => {
  const { exchange, path, query, caller } = request;
  authorize(caller, path.account, undefined, 'listing');
  const format = readFormat(exchange, query);
  const range = readRange(query);
  const account = await services.objects.accounts.get(path.account);
  const headers = await accountHeaders(account, services);
  if (exchange.method === 'HEAD')
    return {
      status: 204,
      headers: { ...headers, 'Content-Type': `${format}; charset=utf-8`, Vary: 'Accept' },
    };
  const usage = format !== 'text/plain';
  const page =
    range.limit === 0
      ? { entries: [] }
      : await services.objects.accounts.listContainers(path.account, { ...range, usage });
  return listingReply(format, renderContainers(format, path.account, page.entries), headers);
};

export const postAccount: Operation<SwiftRequest> = async (request, services) => {
  const { exchange, path, caller } = request;
  authorize(caller, path.account, undefined, 'owner');
  const change = readMetadata(exchange, 'account');
  await services.objects.accounts.update(path.account, (present) => ({
    metadata: applyChange(present.metadata, change),
  }));
  return { status: 204, headers: {} };
};
