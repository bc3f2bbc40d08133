/**
 * What a page of 10,000 rows costs the proxy beyond the cluster: decoding rows and rendering JSON.
 *
 *     node proxy/bench/listing-bench.ts
 */
import type { StoredRow } from '#cluster';
import { decodeSummary, encodeObjectRow } from '../objects/rows/object-row.ts';
import { type ListingFormat, renderObjects } from '../swift/listing.ts';

const rows: StoredRow[] = Array.from({ length: 10_000 }, (_, n) => {
  const name = `photos/2026/11/picture-${String(n).padStart(6, '0')}.jpg`;
  const meta = encodeObjectRow({
    info: {
      name,
      kind: 'plain',
      size: 4096 + n,
      etag: '5d41402abc4b2a76b9719d911017c592',
      contentType: n % 3 === 0 ? 'image/jpeg' : 'application/octet-stream',
      modifiedUs: 1_700_000_000_000_000 + n * 1000,
      metadata: { mtime: '1700000000.5' },
      headers: {},
      system: {},
      checksums: {},
    },
    blobs: [],
  });
  return { sort: name, version: { timeUs: 1, coordinator: 1 }, meta, bytes: 4096, bodyLength: 0 };
});

const send = (format: ListingFormat) =>
  renderObjects(format, { account: 'a', name: 'c' }, rows.map(decodeSummary)).length;

const rounds = 50;
const take = (name: string, work: () => number) => {
  for (let n = 0; n < 5; n++) work();
  const before = process.cpuUsage();
  let size = 0;
  for (let n = 0; n < rounds; n++) size = work();
  const { user, system } = process.cpuUsage(before);
  console.log(`${name.padEnd(8)} ${((user + system) / rounds / 1000).toFixed(2)} ms  ${size}`);
};
take('decode', () => rows.map(decodeSummary).length);
take('json', () => send('application/json'));
take('text', () => send('text/plain'));
