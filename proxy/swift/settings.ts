/** Settings of the Swift dialect. */
import { declareSettings, type SettingsOf } from '#common';

export const defaultPipeline =
  'account-status cname-lookup domain-remap crossdomain recon etag-quoter container-sync cors ratelimit tempurl formpost ' +
  'read-only staticweb bulk copy container-quotas account-quotas versioned-writes expirer';

const names = /^\s*(?:[A-Za-z0-9_.-]+(?:[\s,]+|$))*$/;

export const swiftSettings = declareSettings({
  pipeline: {
    type: 'text',
    default: defaultPipeline,
    about:
      'What a request goes through, in order; a stage that is not named here costs nothing and is not offered.',
  },
  resellerPrefixes: {
    type: 'text',
    default: 'AUTH',
    pattern: names,
    about: 'Prefixes of account names, the first one for storage URLs: `AUTH SERVICE`.',
  },
  serviceRoles: {
    type: 'text',
    default: 'SERVICE=service',
    pattern: /^\s*(?:[A-Za-z0-9-]+=[A-Za-z0-9_.-]+(?:[\s,]+|$))*$/,
    about:
      'Roles that an X-Service-Token must bring for accounts of a prefix, as `PREFIX=role` pairs.',
  },
  operatorRoles: {
    type: 'text',
    default: 'admin manager member _member_ swiftoperator',
    pattern: names,
    about: 'Roles that own the accounts of their project.',
  },
  readerRoles: {
    type: 'text',
    default: 'reader',
    pattern: names,
    about: 'Roles that may read everything in the accounts of their project.',
  },
  systemReaderRoles: {
    type: 'text',
    default: '',
    pattern: names,
    about: 'Roles that may read everything in every account, and change nothing by that.',
  },
  resellerRoles: {
    type: 'text',
    default: 'ResellerAdmin',
    pattern: names,
    about: 'Roles that may act on any account.',
  },
  namesInAcls: {
    type: 'switch',
    default: true,
    about: 'Whether ACLs may name projects and users of the default domain, besides their ids.',
  },
  projectsInAcls: {
    type: 'switch',
    default: true,
    about:
      'Whether an ACL entry that is a project’s name (of the default domain, and no role’s) lets all its users in.',
  },
  accountManagement: {
    type: 'switch',
    default: false,
    about:
      'Whether resellers may create (PUT) and delete (DELETE) accounts; a deleted one is emptied in the background.',
  },
  reapIntervalMs: {
    type: 'integer',
    default: 60_000,
    min: 10,
    max: 86_400_000,
    about: 'How often deleted accounts are looked for, to be emptied.',
  },
  expireIntervalMs: {
    type: 'integer',
    default: 60_000,
    min: 10,
    max: 86_400_000,
    about:
      'How often objects whose time has come (X-Delete-At) are deleted; they are not served since that second.',
  },
  containersPerAccountMax: {
    type: 'integer',
    default: 0,
    min: 0,
    max: 10_000_000,
    about: 'Containers of one account; 0 for no limit.',
  },
  policies: {
    type: 'text',
    default: 'default',
    pattern: /^\s*(?:[A-Za-z0-9_-]+(?:=[A-Za-z0-9_-]+)*(?:[\s,]+|$))+$/,
    about:
      'Storage policies, the default one first: `gold silver old=deprecated`; more names of one follow as `gold=yellow`.',
  },
  encryption: {
    type: 'switch',
    default: false,
    about:
      'Whether the bytes and the user metadata of every object that is written are encrypted, under keys that the cluster keeps and can renew.',
  },
  etagsQuoted: {
    type: 'switch',
    default: false,
    about:
      'Whether ETags of objects are sent in quotes where neither container nor account says it (X-Container-Rfc-Compliant-Etags).',
  },
  nameForbiddenChars: {
    type: 'text',
    default: '\'"`<>',
    about: 'Characters that paths must not hold, where name-check is in the pipeline.',
  },
  nameBytesMax: {
    type: 'integer',
    default: 255,
    min: 1,
    max: 8_192,
    about: 'How long a path may be, decoded, where name-check is in the pipeline.',
  },
  nameForbiddenPattern: {
    type: 'text',
    default: '/\\./|/\\.\\./|/\\.$|/\\.\\.$',
    about:
      'What paths must not look like, where name-check is in the pipeline; empty for anything.',
  },
  corsAllowOrigin: {
    type: 'text',
    default: '',
    about: 'Origins that are let in everywhere, besides those that a container names.',
  },
  corsExposeHeaders: {
    type: 'text',
    default: '',
    about: 'Headers that pages of other origins may read, besides the usual ones.',
  },
  corsStrict: {
    type: 'switch',
    default: true,
    about: 'Whether origins that nobody allowed get no CORS headers at all.',
  },
  tempUrlMethods: {
    type: 'text',
    default: 'GET HEAD PUT POST DELETE',
    pattern: /^[A-Z ]*$/,
    about: 'Methods that temporary URLs may be for.',
  },
  digests: {
    type: 'text',
    default: 'sha256 sha512',
    pattern: /^(?:\s*(?:sha1|sha256|sha512))+\s*$/,
    about: 'Hash functions that signatures of temporary URLs and forms may use.',
  },
  tempUrlIncomingRemove: {
    type: 'text',
    default: 'x-timestamp',
    about:
      'Request headers that are ignored with a temporary URL; `*` at the end for all of a kind.',
  },
  tempUrlIncomingAllow: {
    type: 'text',
    default: '',
    about: 'Exceptions from those.',
  },
  tempUrlOutgoingRemove: {
    type: 'text',
    default: 'x-object-meta-*',
    about: 'Headers that an answer to a temporary URL does not carry.',
  },
  tempUrlOutgoingAllow: {
    type: 'text',
    default: 'x-object-meta-public-*',
    about: 'Exceptions from those.',
  },
  symlinkHopsMax: {
    type: 'integer',
    default: 2,
    min: 1,
    max: 10,
    about: 'How many symlinks are followed one after another.',
  },
  extractFilesMax: {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    about: 'Files of one archive that is extracted on upload.',
  },
  extractContainersMax: {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    about: 'Containers that one archive may make.',
  },
  extractFailuresMax: {
    type: 'integer',
    default: 1_000,
    min: 1,
    max: 100_000,
    about: 'Files of an archive that may fail before it is given up.',
  },
  accountRateMax: {
    type: 'number',
    default: 0,
    min: 0,
    max: 1_000_000,
    about: 'Containers made or deleted per second in one account; 0 for no limit.',
  },
  containerRates: {
    type: 'text',
    default: '',
    pattern: /^\s*(?:\d+=\d+(?:\.\d+)?(?:[\s,]+|$))*$/,
    about:
      'Objects written or deleted per second in one container, by how many it holds: `0=100 1000=50`; in between, a line.',
  },
  listingRates: {
    type: 'text',
    default: '',
    pattern: /^\s*(?:\d+=\d+(?:\.\d+)?(?:[\s,]+|$))*$/,
    about: 'Listings per second of one container, in the same form.',
  },
  rateSleepMaxMs: {
    type: 'integer',
    default: 60_000,
    min: 0,
    max: 600_000,
    about: 'How long a request over a rate is held back before it is refused with 498.',
  },
  rateBufferSeconds: {
    type: 'number',
    default: 5,
    min: 0,
    max: 3_600,
    about: 'How much unused rate may be caught up with.',
  },
  rateExempt: {
    type: 'text',
    default: '',
    about: 'Accounts that no rate holds for.',
  },
  rateBlocked: {
    type: 'text',
    default: '',
    about: 'Accounts whose requests are refused with 497.',
  },
  readOnly: {
    type: 'switch',
    default: false,
    about: 'Refuses everything that would change something, in every account that is not exempt.',
  },
  readOnlyDeletes: {
    type: 'switch',
    default: false,
    about: 'Whether deletes go through all the same.',
  },
  storageDomains: {
    type: 'text',
    default: '',
    pattern: names,
    about:
      'Domains below which host names mean accounts and containers: `container.account.DOMAIN`; none for off.',
  },
  remapPathRoot: {
    type: 'text',
    default: 'v1',
    pattern: /^[A-Za-z0-9.]+$/,
    about: 'The first part of the path that a host name stands for.',
  },
  cnameLookups: {
    type: 'switch',
    default: false,
    about: 'Whether unknown host names are looked up in the DNS for an alias of a storage domain.',
  },
  cnameDepthMax: {
    type: 'integer',
    default: 1,
    min: 1,
    max: 10,
    about: 'How many aliases are followed.',
  },
  crossDomainPolicy: {
    type: 'text',
    default: '<allow-access-from domain="*" secure="false" />',
    about: 'What /crossdomain.xml holds; empty for no such page.',
  },
  staticWebUrlBase: {
    type: 'text',
    default: '',
    about: 'Scheme and host of redirects of static sites, when clients reach us by another name.',
  },
  infoAdminKey: {
    type: 'text',
    default: '',
    about: 'Signs requests for the part of /info that is for administrators; empty for none.',
  },
  syncRealms: {
    type: 'text',
    default: '',
    pattern: /^(?:\s*[A-Za-z0-9_-]+(?:\/[A-Za-z0-9_-]+)?=\S+)*\s*$/,
    about:
      'Realms that containers may be synced in, as `REALM=KEY` for the key and `REALM/CLUSTER=URL` for each cluster of it.',
  },
  syncCluster: {
    type: 'text',
    default: '',
    pattern: /^(?:[A-Za-z0-9_-]+\/[A-Za-z0-9_-]+)?$/,
    about: 'Which `REALM/CLUSTER` of those this is.',
  },
  syncIntervalMs: {
    type: 'integer',
    default: 60_000,
    min: 100,
    max: 86_400_000,
    about: 'How often containers are looked through for what is to be synced.',
  },
});

export type SwiftSettings = SettingsOf<typeof swiftSettings>;
