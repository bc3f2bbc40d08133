/** What `/info` says: the limits, and of each stage in the pipeline what clients may want to know of it. */
import { createHmac } from 'node:crypto';
import { deletesMax } from './bulk-delete.ts';
import { listingMax } from './listing.ts';
import { metadataMax } from './metadata.ts';
import { segmentsMax } from './slo-manifest.ts';
import { parseRates } from './stages/rate-limit.ts';
import type { Query } from './swift-path.ts';
import type { SwiftServices } from './swift-request.ts';
import { isSameText } from './sync-realms.ts';

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

function core({ settings, swift, policies }: SwiftServices): unknown {
  const shown = policies.all
    .filter(({ deprecated }) => !deprecated)
    .map((policy) => ({
      name: policy.name,
      aliases: [policy.name, ...policy.aliases].join(', '),
      ...(policy === policies.byDefault ? { default: true } : {}),
    }));
  return {
    version: '2.30.0',
    strict_cors_mode: swift.corsStrict,
    policies: shown,
    allow_account_management: swift.accountManagement,
    account_autocreate: true,
    max_file_size: settings.objectBytesMax,
    max_meta_name_length: metadataMax.nameLength,
    max_meta_value_length: metadataMax.valueLength,
    max_meta_count: metadataMax.count,
    max_meta_overall_size: metadataMax.overallSize,
    max_header_size: metadataMax.headerLength,
    max_object_name_length: 1024,
    container_listing_limit: listingMax,
    account_listing_limit: listingMax,
    max_account_name_length: 256,
    max_container_name_length: 256,
    valid_api_versions: ['v1', 'v1.0'],
    extra_header_count: 0,
  };
}

/** What each stage adds, by its name in the pipeline. */
function offered({ swift }: SwiftServices): Readonly<Record<string, object>> {
  const digests = words(swift.digests).sort();
  const rates = (text: string) => parseRates(text).map(([size, rate]) => [size, rate]);
  return {
    'domain-remap': { domain_remap: { default_reseller_prefix: null } },
    'cname-lookup': swift.cnameLookups
      ? { cname_lookup: { lookup_depth: swift.cnameDepthMax } }
      : {},
    crossdomain: { crossdomain: {} },
    'etag-quoter': { etag_quoter: { enable_by_default: swift.etagsQuoted } },
    'name-check': {
      name_check: {
        forbidden_chars: swift.nameForbiddenChars,
        maximum_length: swift.nameBytesMax,
        forbidden_regexp: swift.nameForbiddenPattern,
      },
    },
    'container-sync': { container_sync: { realms: realms(swift.syncRealms, swift.syncCluster) } },
    ratelimit: {
      ratelimit: {
        account_ratelimit: swift.accountRateMax,
        max_sleep_time_seconds: swift.rateSleepMaxMs / 1000,
        container_ratelimits: rates(swift.containerRates),
        container_listing_ratelimits: rates(swift.listingRates),
      },
    },
    tempurl: {
      tempurl: {
        methods: words(swift.tempUrlMethods),
        incoming_remove_headers: words(swift.tempUrlIncomingRemove),
        incoming_allow_headers: words(swift.tempUrlIncomingAllow),
        outgoing_remove_headers: words(swift.tempUrlOutgoingRemove),
        outgoing_allow_headers: words(swift.tempUrlOutgoingAllow),
        allowed_digests: digests,
      },
    },
    formpost: { formpost: { allowed_digests: digests } },
    'read-only': swift.readOnly ? { read_only: {} } : {},
    staticweb: { staticweb: {} },
    bulk: {
      bulk_delete: { max_deletes_per_request: deletesMax, max_failed_deletes: 1000 },
      bulk_upload: {
        max_containers_per_extraction: swift.extractContainersMax,
        max_failed_extractions: swift.extractFailuresMax,
      },
    },
    'container-quotas': { container_quotas: {} },
    'account-quotas': { account_quotas: {} },
    'versioned-writes': {
      versioned_writes: { allowed_flags: ['x-versions-location', 'x-history-location'] },
      object_versioning: {},
    },
  };
}

/** Never keys: names of realms and clusters only. */
function realms(text: string, current: string): object {
  const found: Record<string, { clusters: Record<string, object> }> = {};
  for (const word of words(text)) {
    const [, realm, cluster] = /^([^=/]+)\/([^=/]+)=/.exec(word.toUpperCase()) ?? [];
    if (realm === undefined || cluster === undefined) continue;
    found[realm] ??= { clusters: {} };
    const isCurrent = `${realm}/${cluster}` === current.toUpperCase();
    found[realm].clusters[cluster] = isCurrent ? { current: true } : {};
  }
  return found;
}

export function describeCluster(services: SwiftServices, admin: boolean): unknown {
  const { offers, swift, settings } = services;
  const stages = Object.entries(offered(services)).filter(([name]) => offers.has(name));
  return {
    swift: core(services),
    ...Object.assign({}, ...stages.map(([, said]) => said)),
    slo: {
      max_manifest_segments: segmentsMax,
      max_manifest_size: 8 * 1024 * 1024,
      min_segment_size: 1,
      yield_frequency: 10,
      allow_async_delete: offers.has('bulk'),
    },
    dlo: {},
    symlink: { symloop_max: swift.symlinkHopsMax, static_links: true },
    tempauth: { account_acls: true },
    ...(admin
      ? {
          admin: {
            pipeline: words(swift.pipeline),
            disallowed_sections: [],
            requests_in_flight_max: settings.requestsInFlightMax,
            container_cache_ms: settings.containerCacheMs,
            auth_cache_ms: settings.authCacheMs,
          },
        }
      : {}),
  };
}

/** Whether the query is signed with the administrators' key, for this method and not yet over. */
export function isForAdmins(
  method: string,
  query: Query,
  { swift, clock }: Pick<SwiftServices, 'swift' | 'clock'>,
): boolean {
  if (swift.infoAdminKey === '') return false;
  const expires = query.get('swiftinfo_expires') ?? '';
  if (!/^\d{1,12}$/.test(expires) || Number(expires) * 1_000_000 < clock.nowUs()) return false;
  // Who may get it may also ask for its state.
  const methods = method === 'HEAD' ? ['HEAD', 'GET'] : [method];
  return methods.some((each) => {
    const text = `${each}\n${expires}\n/info`;
    const wanted = createHmac('sha1', swift.infoAdminKey).update(text).digest('hex');
    return isSameText(query.get('swiftinfo_sig') ?? '', wanted);
  });
}
