/** Settings of the object front door. */
import { declareSettings, type SettingsOf } from '#common';

export const proxySettings = declareSettings({
  inlineBytesMax: {
    type: 'integer',
    default: 16_384,
    min: 0,
    max: 65_536,
    about: 'Bodies up to this size are stored inside the object row, in one quorum write.',
  },
  blobBytesMax: {
    type: 'integer',
    default: 67_108_864,
    min: 65_536,
    max: 67_108_864,
    about:
      'Larger bodies are cut into blobs of at most this size, so that they spread over devices.',
  },
  bodyBufferBytes: {
    type: 'integer',
    default: 262_144,
    min: 65_536,
    max: 4_194_304,
    about: 'How much of an arriving body is gathered before it is sent on to the replicas.',
  },
  objectBytesMax: {
    type: 'integer',
    default: 5_368_709_122,
    min: 1,
    max: 5_368_709_122,
    about:
      'The largest body of one request; larger objects are put together from segments or parts.',
  },
  erasurePolicies: {
    type: 'text',
    default: '',
    pattern: /^\s*(?:[A-Za-z0-9_-]+=[1-9]\d?\+[1-9]\d?(?:=shared)?(?:[\s,]+|$))*$/,
    about:
      'Storage policies whose bodies are kept in k data and m parity fragments instead of copies, each on a device of its own: `cold=4+2 deep=8+4`. With fewer than k + m devices containers of such a policy are refused, unless it says that fragments may share devices: `cold=4+2=shared`. Bodies below k times 16 KiB, and rows, are kept in copies.',
  },
  classPolicies: {
    type: 'text',
    default: '',
    pattern: /^\s*(?:[A-Z_]+=[A-Za-z0-9_-]+(?:[\s,]+|$))*$/,
    about:
      'In which storage policy the objects of an S3 storage class lie: `GLACIER_IR=cold`. A policy that is none of `erasurePolicies` means copies; objects of other classes lie where their container does. Lifecycle transitions write the bytes anew where the class keeps them.',
  },
  partBytesMin: {
    type: 'integer',
    default: 5_242_880,
    min: 1,
    max: 5_368_709_120,
    about: 'The smallest part of an upload, the last one excepted.',
  },
  containerCacheMs: {
    type: 'integer',
    default: 2_000,
    min: 0,
    max: 60_000,
    about: 'For how long a container found is believed without asking again.',
  },
  containerCacheMax: {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    about: 'How many containers are remembered.',
  },
  usageInFlightMax: {
    type: 'integer',
    default: 32,
    min: 1,
    max: 1_000,
    about: 'How many containers are counted at once for an account listing.',
  },
  bodyDurationMsMax: {
    type: 'integer',
    default: 43_200_000,
    min: 1000,
    max: 2_592_000_000,
    about:
      'A body that takes longer than this to arrive is refused; far below `replicator.orphanGraceMs`, after which its bytes would pass for garbage.',
  },
  blobDeleteDelayMs: {
    type: 'integer',
    default: 60_000,
    min: 0,
    max: 86_400_000,
    about:
      'How long the bytes of a replaced or deleted object stay, for readers that are still at it.',
  },
  blobDeletesMax: {
    type: 'integer',
    default: 100_000,
    min: 1,
    max: 10_000_000,
    about: 'Replaced objects whose bytes wait for deletion; what does not fit is left to reclaim.',
  },
  authCacheMs: {
    type: 'integer',
    default: 10_000,
    min: 0,
    max: 300_000,
    about: 'For how long a validated token is believed without asking identity again.',
  },
  authCacheMax: {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    about: 'How many validated tokens are remembered.',
  },
  requestsInFlightMax: {
    type: 'integer',
    default: 1_024,
    min: 1,
    max: 100_000,
    about: 'Requests served at once; further ones are answered 503.',
  },
  headerBytesMax: {
    type: 'integer',
    default: 32_768,
    min: 8_192,
    max: 262_144,
    about: 'All header lines of one request together.',
  },
  headerCountMax: {
    type: 'integer',
    default: 200,
    min: 32,
    max: 2_000,
    about: 'Header lines of one request.',
  },
  headersTimeoutMs: {
    type: 'integer',
    default: 60_000,
    min: 1_000,
    max: 600_000,
    about: 'How long a client may take to send its request line and headers.',
  },
  bodyIdleMs: {
    type: 'integer',
    default: 60_000,
    min: 100,
    max: 600_000,
    about: 'How long a client may pause while it sends a body.',
  },
  sendIdleMs: {
    type: 'integer',
    default: 60_000,
    min: 100,
    max: 600_000,
    about: 'How long a client may pause while it receives a body.',
  },
  keepAliveMs: {
    type: 'integer',
    default: 65_000,
    min: 1_000,
    max: 600_000,
    about: 'How long an idle connection is kept open.',
  },
  closeMs: {
    type: 'integer',
    default: 10_000,
    min: 0,
    max: 600_000,
    about: 'How long requests in flight may take to finish when the server closes.',
  },
  slowRequestMs: {
    type: 'integer',
    default: 5_000,
    min: 1,
    max: 3_600_000,
    about: 'Requests that took longer are logged at level info, the rest at debug.',
  },
  tokenLifeSeconds: {
    type: 'integer',
    default: 86_400,
    min: 60,
    max: 31_536_000,
    about: 'What X-Auth-Token-Expires says at most.',
  },
});

export type ProxySettings = SettingsOf<typeof proxySettings>;
