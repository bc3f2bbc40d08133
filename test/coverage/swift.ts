/** The Swift API by its reference: operations with their headers and query parameters, and its middlewares; what of each is there. */
import type { State } from './upstream.ts';

export interface SwiftEntry {
  readonly operation: string;
  readonly parts: string;
  readonly state: State;
  readonly note?: string;
}

const works = (operation: string, parts: string, note?: string): SwiftEntry => ({
  operation,
  parts,
  state: 'works',
  ...(note === undefined ? {} : { note }),
});

const partly = (operation: string, parts: string, note: string): SwiftEntry => ({
  operation,
  parts,
  state: 'partly',
  note,
});

const missing = (operation: string, parts: string, note?: string): SwiftEntry => ({
  operation,
  parts,
  state: 'missing',
  ...(note === undefined ? {} : { note }),
});

const listing = 'limit, marker, end_marker, prefix, delimiter, reverse, format, Accept';

export const swiftEntries: readonly SwiftEntry[] = [
  works('GET /v1/{account}', `${listing}; X-Newest, X-Trans-Id-Extra, X-Service-Token`),
  works(
    'HEAD /v1/{account}',
    'X-Account-{Container-Count, Object-Count, Bytes-Used}, the same by storage policy, X-Timestamp',
  ),
  works(
    'POST /v1/{account}',
    'X-Account-Meta-*, X-Remove-Account-Meta-*, X-Account-Access-Control, X-Account-Meta-Temp-URL-Key(-2), quotas',
  ),
  works(
    'PUT, DELETE /v1/{account}',
    'by resellers, where `swift.accountManagement` allows it',
    'a deleted account answers 410 and is emptied in the background',
  ),
  works('GET /v1/{account}/{container}', `${listing}, path, versions, version_marker; X-Newest`),
  works(
    'HEAD /v1/{account}/{container}',
    'X-Container-{Object-Count, Bytes-Used, Read, Write, Sync-To, Sync-Key, Meta-*}, X-Storage-Policy, X-Versions-*',
  ),
  works(
    'PUT, POST /v1/{account}/{container}',
    'X-Container-{Read, Write, Meta-*, Sync-To, Sync-Key}, X-Remove-*, X-Storage-Policy, X-Versions-Location, X-History-Location, X-Versions-Enabled, quotas, CORS and web metadata',
  ),
  works(
    'DELETE /v1/{account}/{container}',
    '409 while anything, older versions included, is in it',
  ),
  works(
    'GET, HEAD /v1/{account}/{container}/{object}',
    'Range (several), If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range, X-Newest; multipart-manifest=get, format=raw, part-number, symlink=get, version-id, signature, filename, inline',
  ),
  works(
    'PUT /v1/{account}/{container}/{object}',
    'Transfer-Encoding, Expect, ETag, Content-{Type, Encoding, Disposition, Language}, Cache-Control, Expires, X-Detect-Content-Type, X-Object-Meta-* (also in trailers), X-Delete-At, X-Delete-After, If-None-Match: *, X-Copy-From(-Account), X-Fresh-Metadata, X-Object-Manifest, X-Symlink-Target(-Account, -Etag); multipart-manifest=put, heartbeat, version-id, extract-archive',
  ),
  works(
    'COPY /v1/{account}/{container}/{object}',
    'Destination, Destination-Account, X-Fresh-Metadata, Range, If-*; multipart-manifest=get, symlink=get, version-id',
  ),
  works(
    'POST /v1/{account}/{container}/{object}',
    'X-Object-Meta-*, Content-*, X-Delete-At, X-Delete-After, X-Object-Manifest',
  ),
  works(
    'DELETE /v1/{account}/{container}/{object}',
    'X-If-Delete-At; multipart-manifest=delete, async, version-id',
  ),
  works('OPTIONS (any)', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers'),
  works('GET, HEAD /info', 'swiftinfo_sig, swiftinfo_expires'),
  works(
    'GET /healthcheck, /crossdomain.xml, /auth/v1.0',
    'X-Auth-User, X-Auth-Key, X-Storage-User, X-Storage-Pass',
  ),
  partly(
    'GET /recon/…',
    'version, time, load, mem, uptime',
    'facts of disks, rings and replication are under `/metrics` and `pileus status`',
  ),
  missing(
    'GET /endpoints/…',
    'list_endpoints',
    'objects have no address on a device that clients could use',
  ),
  works(
    'Static large objects',
    'ranges, nested, inline data, raw and JSON manifests, heartbeat, part numbers, deletion with segments (also later)',
  ),
  works('Dynamic large objects', 'one range at a time, as upstream'),
  works(
    'tempurl',
    'sha256, sha512 (sha1 where `swift.digests` says so), hex and base64, prefix, IP range, ISO 8601, filename, inline, keys of accounts and containers, header lists',
  ),
  partly(
    'formpost',
    'redirect, max_file_size, max_file_count, expires, signature, x_delete_at, x_delete_after, content-type, content-encoding',
    'Content-Encoding of a single part is not looked at',
  ),
  works(
    'staticweb',
    'index, error, listings, listings-css, listings-label, directory-type, X-Web-Mode',
  ),
  works('cors', 'allow-origin, expose-headers, max-age; strict mode; origins for all'),
  works(
    'bulk',
    'tar, tar.gz, tar.bz2 with extended attributes; lists of names, with blanks while they take long',
    'the report of an archive comes at the end: no blanks before it',
  ),
  works('versioned_writes', 'stack and history'),
  works(
    'object_versioning',
    'X-Versions-Enabled, version-id, versions, delete markers',
    'shared with S3; ids are 32 hex digits',
  ),
  works('symlink', 'dynamic and static, across accounts, in manifests and listings'),
  works(
    'container_quotas, account_quotas',
    'bytes and counts, by storage policy; resellers are not held to them',
  ),
  partly(
    'ratelimit',
    'per account, container (by size) and listing; exempt and blocked accounts',
    'counted by each process for itself; no rates of single accounts',
  ),
  works('read_only', 'of the cloud and of single accounts; deletes let through'),
  works('domain_remap, cname_lookup', 'storage domains, path root, depth'),
  works(
    'container_sync',
    'realms, both ends, deletions, two ways',
    'deletions by S3 are not carried',
  ),
  partly(
    'encryption',
    '`swift.encryption`: every object’s bytes and user metadata, under keys that can be renewed',
    'ETags are stored as they are, and listings show them',
  ),
  works(
    'tempauth',
    'v1 tokens, account ACLs, container ACLs (.r:, .rlistings, account, account:user)',
  ),
  works(
    'keystoneauth',
    'operator, reader, system reader and reseller roles, ids and names in ACLs, cross-project, service tokens, reseller prefixes',
  ),
  works(
    'Storage policies',
    'a default, aliases, deprecated ones; counts by policy',
    'a name that containers carry: all are replicated alike',
  ),
  works(
    'gatekeeper, catch_errors, proxy_logging',
    'headers of the inside from outside, X-Trans-Id(-Extra), access log',
  ),
  works(
    'etag_quoter',
    'X-Account-Rfc-Compliant-Etags, X-Container-Rfc-Compliant-Etags; `swift.etagsQuoted` by default',
  ),
  works('name_check', 'forbidden characters, length, pattern, where `swift.pipeline` names it'),
  missing('xprofile', '', 'Node’s own profiler does that: `node --cpu-prof`'),
];
