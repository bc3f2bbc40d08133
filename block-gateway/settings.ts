/** The settings of the block gateway. */
import { declareSettings, type SettingsOf } from '#common';

const kib = 1024;
const mib = 1024 * kib;

export const blockGatewaySettings = declareSettings({
  segmentBytes: {
    type: 'integer',
    default: 8 * mib,
    min: 16 * kib,
    max: 32 * mib,
    about: 'Data in one segment: what is written to the store as one blob.',
  },
  segmentBuffersMax: {
    type: 'integer',
    default: 320,
    min: 2,
    max: 4096,
    about:
      'Segments held in memory by all volumes together: being filled, waiting for the store, or kept for reading; never more than an eighth of the memory of the machine.',
  },
  segmentBuffersKept: {
    type: 'integer',
    default: 24,
    min: 0,
    max: 4096,
    about:
      'How many of them stay when their segments are in the store, for reading and for the next.',
  },
  segmentBuffersIdleMs: {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 3_600_000,
    about: 'The others go back to the system when no segment was begun for so long.',
  },
  volumeSegmentsMax: {
    type: 'integer',
    default: 300,
    min: 2,
    max: 4096,
    about:
      'Segments of one volume that may be in memory and not in the store yet; beyond it writes wait.',
  },
  uploadRestRatio: {
    type: 'number',
    default: 1,
    min: 0,
    max: 100,
    about:
      'Rest after each segment sent to the store per time it took, while memory is plenty and nobody waits for it.',
  },
  writeBackMs: {
    type: 'integer',
    default: 30_000,
    min: 1,
    max: 3_600_000,
    about:
      'For so long at most may what is written again and again without a FLUSH stay in memory only.',
  },
  logFileBytes: {
    type: 'integer',
    default: 12 * mib,
    min: 32 * kib,
    max: 256 * mib,
    about: 'Size of a write-log file; each holds the tail of one segment.',
  },
  logFilesMax: {
    type: 'integer',
    default: 64,
    min: 2,
    max: 65_536,
    about:
      'Write-log files of all volumes together; without a free one FLUSH waits for the store instead.',
  },
  cacheBytes: {
    type: 'integer',
    default: 256 * mib,
    min: 64 * kib,
    max: 2 ** 40,
    about: 'Read cache shared by all volumes, in lines of 64 KiB; memory is taken as it fills.',
  },
  bootSetBytes: {
    type: 'integer',
    default: 32 * mib,
    min: 0,
    max: 2 ** 30,
    about:
      'Of what is read first after opening a volume this much is remembered, and read in at the next opening of it and of its siblings; 0 for nothing.',
  },
  bootLearnMs: {
    type: 'integer',
    default: 60_000,
    min: 0,
    max: 3_600_000,
    about: 'How long after its opening what is read counts as the boot of a volume.',
  },
  readAheadBytes: {
    type: 'integer',
    default: 4 * mib,
    min: 0,
    max: 64 * mib,
    about: 'How far ahead of a sequential reader lines are fetched.',
  },
  storeReadsMax: {
    type: 'integer',
    default: 32,
    min: 1,
    max: 1024,
    about: 'Reads of the store in flight for all volumes together.',
  },
  checkpointSegments: {
    type: 'integer',
    default: 64,
    min: 1,
    max: 4096,
    about: 'Segments after which the extent map is checkpointed; later when the map is large.',
  },
  idleSealMs: {
    type: 'integer',
    default: 2000,
    min: 1,
    max: 3_600_000,
    about: 'A segment that got no write for so long is sent to the store as it is.',
  },
  instantMs: {
    type: 'integer',
    default: 1000,
    min: 1,
    max: 3_600_000,
    about:
      'How finely the retained past of a volume is kept apart: instants closer together are one.',
  },
  snapshotsMax: {
    type: 'integer',
    default: 4096,
    min: 1,
    max: 100_000,
    about: 'Snapshots and other pinned points of one volume.',
  },
  leaseMs: {
    type: 'integer',
    default: 5000,
    min: 10,
    max: 600_000,
    about:
      "How old the last sign may be that a volume is still this gateway's before anything is acknowledged; force-detach waits as long.",
  },
  retryMsMax: {
    type: 'integer',
    default: 5000,
    min: 1,
    max: 600_000,
    about: 'The longest wait between two tries to write to a store that refuses.',
  },
  reclaimLiveShare: {
    type: 'number',
    default: 0.5,
    min: 0,
    max: 0.95,
    about: 'A segment with a smaller share of live data is rewritten.',
  },
  reclaimDeadShare: {
    type: 'number',
    default: 0.3,
    min: 0,
    max: 0.95,
    about: 'Rewriting starts when this share of what a volume stores is dead.',
  },
  reclaimRestRatio: {
    type: 'number',
    default: 3,
    min: 0,
    max: 1000,
    about: 'Rest of the reclaimer per time worked.',
  },
  openVolumesMax: {
    type: 'integer',
    default: 1024,
    min: 1,
    max: 65_536,
    about: 'Volumes open at once.',
  },
  idleCloseMs: {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 86_400_000,
    about: 'A volume that nobody has used for so long is checkpointed and closed.',
  },
  closeTimeoutMs: {
    type: 'integer',
    default: 30_000,
    min: 1,
    max: 3_600_000,
    about:
      'How long closing a volume waits for the store; what is not there by then stays in the write log.',
  },
  importBytesMax: {
    type: 'integer',
    default: 2 ** 44,
    min: 512,
    max: 2 ** 50,
    about: 'The largest image that may become a volume, as the guest sees it.',
  },
  convertTimeoutMs: {
    type: 'integer',
    default: 3_600_000,
    min: 1000,
    max: 86_400_000,
    about: 'How long reading an image file through qemu-img may take.',
  },
  convertMemoryBytesMax: {
    type: 'integer',
    default: 2 ** 31,
    min: 2 ** 28,
    max: 2 ** 36,
    about: 'Address space that qemu-img gets while it reads an image.',
  },
  connectionsMax: {
    type: 'integer',
    default: 1024,
    min: 1,
    max: 65_536,
    about: 'NBD connections at once, those in their handshake included.',
  },
  handshakesMax: {
    type: 'integer',
    default: 128,
    min: 1,
    max: 65_536,
    about: 'NBD connections that have not named their export yet.',
  },
  handshakeTimeoutMs: {
    type: 'integer',
    default: 10_000,
    min: 10,
    max: 600_000,
    about: 'How long an NBD handshake may take.',
  },
  requestsInFlightMax: {
    type: 'integer',
    default: 256,
    min: 1,
    max: 65_536,
    about: 'Requests of one NBD connection in work; beyond it nothing more is read from it.',
  },
  requestBytesInFlightMax: {
    type: 'integer',
    default: 64 * mib,
    min: 32 * mib,
    max: 2 ** 32,
    about:
      'Payload and reply bytes of one NBD connection in work; beyond it nothing more is read from it.',
  },
  nbdTls: {
    type: 'choice',
    choices: ['offered', 'required', 'mutual'],
    default: 'offered',
    about:
      'TLS for NBD clients that come over TCP: as they like, needed, or needed with a client certificate or pre-shared key.',
  },
  openExports: {
    type: 'switch',
    default: false,
    about:
      'Whether NBD clients over TCP may open any volume by its id, without the credentials of an attachment.',
  },
  listExports: {
    type: 'switch',
    default: false,
    about: 'Whether NBD clients may list the volumes.',
  },
});

export type BlockGatewaySettings = SettingsOf<typeof blockGatewaySettings>;
