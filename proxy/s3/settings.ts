/** Settings of the S3 dialect. */
import { declareSettings, type SettingsOf } from '#common';

export const s3Settings = declareSettings({
  region: {
    type: 'text',
    default: '',
    pattern: /^[a-z0-9-]{0,64}$/,
    about:
      'The only region that signatures may name; empty accepts every region and calls itself us-east-1.',
  },
  baseDomains: {
    type: 'text',
    default: '',
    pattern: /^[A-Za-z0-9.,-]*$/,
    about: 'Domains, separated by commas, under which BUCKET.DOMAIN addresses a bucket.',
  },
  clockSkewMaxS: {
    type: 'integer',
    default: 900,
    min: 1,
    max: 86_400,
    about: "How far a request's time may lie from ours, in seconds.",
  },
  signingKeysMax: {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    about: 'Derived signing keys that are remembered, one per access key, day and region.',
  },
  documentBytesMax: {
    type: 'integer',
    default: 4_194_304,
    min: 65_536,
    max: 33_554_432,
    about: 'The largest XML request body; 10,000 parts with checksums take about 3 MiB.',
  },
  storageClasses: {
    type: 'text',
    default: 'STANDARD,REDUCED_REDUNDANCY,STANDARD_IA,ONEZONE_IA,INTELLIGENT_TIERING,GLACIER_IR',
    pattern: /^[A-Z_]+(,[A-Z_]+)*$/,
    about:
      'Storage classes that may be asked for. They are kept and shown; in which storage policy each lies `proxy.classPolicies` says, else the container.',
  },
  lifecycleDayS: {
    type: 'integer',
    default: 86_400,
    min: 1,
    max: 86_400,
    about:
      'How long a day of lifecycle rules lasts, in seconds; below 86,400 for trying rules only.',
  },
  lifecycleRestS: {
    type: 'integer',
    default: 3_600,
    min: 1,
    max: 86_400,
    about: 'How long the lifecycle worker rests between two rounds, in seconds.',
  },
  websiteDomains: {
    type: 'text',
    default: '',
    pattern: /^[A-Za-z0-9.,-]*$/,
    about: 'Domains, separated by commas, under which BUCKET.DOMAIN shows a bucket as a web site.',
  },
  notificationTargets: {
    type: 'text',
    default: '',
    pattern: /^[^\s]*$/,
    about:
      'Whom notifications may be sent to: NAME=URL, separated by commas; http(s)://… for a webhook, redis://HOST:PORT/STREAM for a stream.',
  },
  notificationsMax: {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    about: 'Notifications that wait to be sent; further ones are counted and dropped.',
  },
  defaultChecksum: {
    type: 'choice',
    default: 'crc64nvme',
    choices: ['crc64nvme', 'none'],
    about:
      'The checksum that objects get whose clients send none: S3 makes a CRC64NVME, some 0.6 ms of CPU for a MiB.',
  },
  deletesInFlightMax: {
    type: 'integer',
    default: 32,
    min: 1,
    max: 1_000,
    about: 'Objects that one DeleteObjects request deletes at once.',
  },
});

export type S3Settings = SettingsOf<typeof s3Settings>;
