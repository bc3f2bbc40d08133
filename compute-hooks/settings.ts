/** Settings of the compute service. */
import { declareSettings, type SettingsOf } from '#common';

const quota = (value: number, what: string) =>
  ({
    type: 'integer',
    default: value,
    min: -1,
    max: 1_000_000_000,
    about: `Default quota: ${what}; -1 is no limit.`,
  }) as const;

export const computeSettings = declareSettings({
  hypervisor: {
    type: 'choice',
    default: 'qemu',
    choices: ['qemu', 'fake'],
    about: 'What runs guests on this host; `fake` only keeps the books, for trials of scale.',
  },
  hosts: {
    type: 'integer',
    default: 1,
    min: 1,
    max: 2,
    about:
      'Compute hosts that this machine plays, each with guests, a switch and a network namespace of its own; two are for trying out moves.',
  },
  accelerator: {
    type: 'choice',
    default: 'auto',
    choices: ['auto', 'kvm', 'tcg'],
    about:
      'How QEMU runs guests: `auto` tries KVM by booting with it, and emulates where that fails.',
  },
  zone: {
    type: 'text',
    default: 'nova',
    pattern: /^[^:\s]{1,64}$/,
    about: 'Availability zone of hosts that are in no aggregate with a zone of its own.',
  },
  pageMax: {
    type: 'integer',
    default: 1000,
    min: 1,
    max: 10_000,
    about: 'Rows of one page of a listing.',
  },
  cpuRatio: {
    type: 'integer',
    default: 16,
    min: 1,
    max: 256,
    about: 'Virtual processors that are given out for each real one.',
  },
  memoryPercent: {
    type: 'integer',
    default: 100,
    min: 1,
    max: 1000,
    about: 'Share of a host’s memory that is given out to guests.',
  },
  reservedMemoryMib: {
    type: 'integer',
    default: 1024,
    min: 0,
    max: 1_048_576,
    about: 'Memory of each host that is not given out.',
  },
  stopGraceMs: {
    type: 'integer',
    default: 60_000,
    min: 0,
    max: 3_600_000,
    about: 'How long a guest may take to shut down before its power is taken away.',
  },
  silentMs: {
    type: 'integer',
    default: 60_000,
    min: 1_000,
    max: 3_600_000,
    about: 'A host that gives no sign of life for so long counts as down.',
  },
  consoleTokenMs: {
    type: 'integer',
    default: 600_000,
    min: 1_000,
    max: 86_400_000,
    about: 'How long the address of a console can be opened; it can be opened once.',
  },
  consolesMax: {
    type: 'integer',
    default: 100,
    min: 1,
    max: 10_000,
    about: 'Consoles that may be open at a time.',
  },
  reclaimAfterMs: {
    type: 'integer',
    default: 0,
    min: 0,
    max: 2_592_000_000,
    about: 'How long deleted servers can be restored; 0 deletes at once.',
  },
  createMax: {
    type: 'integer',
    default: 1000,
    min: 1,
    max: 10_000,
    about: 'Servers that one request may make.',
  },
  consoleLogMib: {
    type: 'integer',
    default: 4,
    min: 1,
    max: 1024,
    about: 'How much of a guest’s console log is kept.',
  },
  instancesPerProject: quota(10, 'servers'),
  coresPerProject: quota(20, 'virtual processors of servers'),
  ramMibPerProject: quota(51_200, 'MiB of memory of servers'),
  keypairsPerUser: quota(100, 'key pairs of a user'),
  metadataItems: quota(128, 'metadata items of a server'),
  serverGroupsPerProject: quota(10, 'server groups'),
  serverGroupMembers: quota(10, 'servers in a group'),
});

export type ComputeSettings = SettingsOf<typeof computeSettings>;
