/** Settings of the image service. */
import { declareSettings, type SettingsOf } from '#common';

const MiB = 1024 * 1024;

export const imageSettings = declareSettings({
  imageBytesMax: {
    type: 'integer',
    default: 1024 * 1024 * MiB,
    min: 1,
    max: 8 * 1024 * 1024 * MiB,
    about: 'The largest upload of one image.',
  },
  virtualBytesMax: {
    type: 'integer',
    default: 16 * 1024 * 1024 * MiB,
    min: 1,
    max: 8 * 1024 * 1024 * 1024 * MiB,
    about: 'The largest disk that an image may describe; one that says more is refused.',
  },
  formatMatch: {
    type: 'switch',
    default: true,
    about: 'Data whose format is another than the `disk_format` of its image is refused.',
  },
  limitDefault: {
    type: 'integer',
    default: 25,
    min: 1,
    max: 10_000,
    about: 'Images of a page when the client does not say.',
  },
  limitMax: {
    type: 'integer',
    default: 1_000,
    min: 1,
    max: 10_000,
    about: 'Images of a page at most.',
  },
  propertiesMax: {
    type: 'integer',
    default: 128,
    min: 0,
    max: 10_000,
    about: 'Properties of one image.',
  },
  tagsMax: { type: 'integer', default: 128, min: 0, max: 10_000, about: 'Tags of one image.' },
  membersMax: {
    type: 'integer',
    default: 128,
    min: 0,
    max: 100_000,
    about: 'Members of one shared image.',
  },
  projectBytesMax: {
    type: 'integer',
    default: 0,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    about:
      'Bytes of all images of a project (`image_size_total`) unless its quota says otherwise; 0 is without limit.',
  },
  projectStagedBytesMax: {
    type: 'integer',
    default: 0,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    about: 'Staged bytes of a project (`image_stage_total`); 0 is without limit.',
  },
  projectImagesMax: {
    type: 'integer',
    default: 10_000,
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    about: 'Images of a project (`image_count_total`); 0 is without limit.',
  },
  projectUploadsMax: {
    type: 'integer',
    default: 16,
    min: 0,
    max: 10_000,
    about:
      'Images of a project that may be uploading at once (`image_count_uploading`); 0 is without limit.',
  },
  transferLeaseMs: {
    type: 'integer',
    default: 30_000,
    min: 1_000,
    max: 3_600_000,
    about: 'An upload or import whose process has not been heard of for so long has ended.',
  },
  uploadIdleMs: {
    type: 'integer',
    default: 60_000,
    min: 1_000,
    max: 3_600_000,
    about: 'An upload that brings no byte for so long is given up.',
  },
  sweepMs: {
    type: 'integer',
    default: 5_000,
    min: 100,
    max: 3_600_000,
    about: 'How often ended transfers are cleared up and unused content is deleted.',
  },
  taskLifetimeS: {
    type: 'integer',
    default: 172_800,
    min: 60,
    max: 31_536_000,
    about: 'How long an ended task is kept.',
  },
  webDownloadHosts: {
    type: 'text',
    default: '',
    about:
      'Hosts that `web-download` may reach even when their addresses are private or local (comma-separated); `*` is any.',
  },
  webDownloadPorts: {
    type: 'text',
    default: '80,443',
    about: 'Ports that `web-download` may reach (comma-separated); `*` is any.',
  },
  webDownloadTimeoutMs: {
    type: 'integer',
    default: 3_600_000,
    min: 1_000,
    max: 86_400_000,
    about: 'How long one download may take.',
  },
  decompress: {
    type: 'switch',
    default: false,
    about:
      'An import whose data is compressed by gzip is unpacked, unless its `container_format` is `compressed`.',
  },
  injectProperties: {
    type: 'text',
    default: '',
    about: 'Properties that every imported image gets, `name=value,name=value`.',
  },
  injectExemptRoles: {
    type: 'text',
    default: 'admin',
    about:
      'Imports by users with one of these roles get none of `injectProperties` (comma-separated).',
  },
  guest: {
    type: 'switch',
    default: true,
    about:
      '`pileus up` builds the small guest image from Debian packages once and registers it as `pileus-guest`.',
  },
  volumes: {
    type: 'switch',
    default: true,
    about: 'Disk images are also turned into volumes, ready to be cloned.',
  },
  convertTimeoutMs: {
    type: 'integer',
    default: 1_800_000,
    min: 1_000,
    max: 86_400_000,
    about: 'How long `qemu-img` may take for one image.',
  },
  convertMemoryBytesMax: {
    type: 'integer',
    default: 4096 * MiB,
    min: 64 * MiB,
    max: 64 * 1024 * MiB,
    about:
      'Address space of `qemu-img`: far more than it uses, since each of its threads reserves room.',
  },
  convertBytesMax: {
    type: 'integer',
    default: 64 * 1024 * MiB,
    min: MiB,
    max: 16 * 1024 * 1024 * MiB,
    about: 'The largest file `qemu-img` may write while it converts an image.',
  },
});

export type ImageSettings = SettingsOf<typeof imageSettings>;
