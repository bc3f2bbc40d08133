/** A guest's command line. Paths are relative to its folder, so that they stay short and nothing of the data folder shows. */
import type { GuestDisk, GuestPort, GuestSpec, Places } from '../driver.ts';

export type Accelerator = 'kvm' | 'tcg';

export const files = {
  monitor: 'qmp',
  screen: 'vnc',
  serial: 'serial',
  console: 'console.log',
  configDrive: 'config.iso',
  pid: 'pid',
  places: 'places.json',
  memory: 'memory.state',
  said: 'qemu.log',
} as const;

/** Free slots on the bus for what is plugged in later. */
const slots = 16;

export function qemuArguments(spec: GuestSpec, accelerator: Accelerator): string[] {
  return [
    ...['-name', `guest=${spec.id},debug-threads=on`],
    ...['-uuid', spec.id],
    ...['-machine', `q35,accel=${accelerator},usb=off,vmport=off`],
    ...['-cpu', accelerator === 'kvm' ? 'host' : 'max'],
    ...['-smp', String(spec.vcpus)],
    ...['-m', `size=${spec.memoryMib}M`],
    // Nothing but what is named here: no default disks, cards or drives.
    ...['-nodefaults', '-no-user-config'],
    ...['-rtc', 'base=utc,driftfix=slew'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...['-chardev', `socket,id=monitor,path=${files.monitor},server=on,wait=off`],
    ...['-mon', 'chardev=monitor,mode=control'],
    ...[
      '-chardev',
      `socket,id=serial,path=${files.serial},server=on,wait=off,logfile=${files.console},logappend=on`,
    ],
    ...['-device', 'isa-serial,chardev=serial,index=0'],
    ...['-vnc', `unix:${files.screen}`],
    ...['-device', 'VGA,vgamem_mb=16'],
    ...['-object', 'rng-random,id=rng,filename=/dev/urandom'],
    ...slotArguments(),
    ...['-device', 'virtio-rng-pci,rng=rng,bus=slot0'],
    ...['-device', 'virtio-balloon-pci,id=balloon,bus=slot1'],
    ...spec.disks.flatMap((disk) => [
      ...['-blockdev', JSON.stringify(blockDevice(disk))],
      ...['-device', JSON.stringify(diskDevice(disk))],
    ]),
    ...spec.ports.flatMap((port) => [
      ...['-netdev', JSON.stringify(netDevice(port))],
      ...['-device', JSON.stringify(portDevice(port))],
    ]),
    ...(spec.configDrive === undefined ? [] : configDriveArguments()),
  ];
}

function slotArguments(): string[] {
  return Array.from({ length: slots }, (_, at) => {
    // Eight ports share one device number: functions of it.
    const [device, part] = [0x10 + Math.floor(at / 8), at % 8];
    const many = part === 0 ? ',multifunction=on' : '';
    return [
      '-device',
      `pcie-root-port,id=slot${at},chassis=${at + 1},port=${at},addr=0x${device.toString(16)}.${part}${many}`,
    ];
  }).flat();
}

function configDriveArguments(): string[] {
  return [
    ...['-device', 'virtio-scsi-pci,id=scsi,bus=slot2'],
    ...[
      '-blockdev',
      JSON.stringify({
        driver: 'raw',
        'node-name': 'config',
        'read-only': true,
        file: { driver: 'file', filename: files.configDrive },
      }),
    ],
    ...['-device', 'scsi-hd,drive=config,bus=scsi.0'],
  ];
}

/** Names of what belongs to a disk or port; QEMU takes letters, digits and `-._`, at most 31 of them for nodes. */
export const nodeOf = (diskId: string): string => `d${diskId.replaceAll('-', '').slice(2)}`;
export const diskName = (diskId: string): string => `disk-${diskId}`;
export const netOf = (portId: string): string => `net-${portId}`;
export const portName = (portId: string): string => `port-${portId}`;

/** A program that restarts is waited for: the guest's disk stands still meanwhile instead of failing. */
const reconnectS = 3600;

export function blockDevice(disk: GuestDisk): object {
  return {
    driver: 'nbd',
    'node-name': nodeOf(disk.id),
    server: { type: 'unix', path: disk.socketPath },
    export: disk.exportName,
    'reconnect-delay': reconnectS,
    'read-only': disk.readOnly,
    discard: 'unmap',
    'detect-zeroes': 'unmap',
    cache: { direct: false, 'no-flush': false },
  };
}

/** Slots behind the fixed ones: disks by their letter, ports after the highest. */
export function diskDevice(disk: GuestDisk): object {
  return {
    driver: 'virtio-blk-pci',
    id: diskName(disk.id),
    drive: nodeOf(disk.id),
    serial: disk.serial.slice(0, 20),
    ...(disk.bootIndex === undefined ? {} : { bootindex: disk.bootIndex + 1 }),
  };
}

export function netDevice(port: GuestPort): object {
  return {
    type: 'tap',
    id: netOf(port.id),
    ifname: port.tap,
    script: 'no',
    downscript: 'no',
    vnet_hdr: port.vnetHeader,
  };
}

export function portDevice(port: GuestPort): object {
  return {
    driver: 'virtio-net-pci',
    id: portName(port.id),
    netdev: netOf(port.id),
    mac: port.macAddress,
    host_mtu: port.mtu,
  };
}

/** Gives each device its place, or the first slot that is free; slots 0 to 2 have the fixed ones. */
export function withSlots(args: readonly string[], places: Places = {}): string[] {
  const taken = new Set(Object.values(places));
  const free = slotNames.slice(3).filter((slot) => !taken.has(slot));
  return args.map((value, at) => {
    if (args[at - 1] !== '-device' || !value.startsWith('{')) return value;
    const device = JSON.parse(value) as { readonly id: string };
    return JSON.stringify({ ...device, bus: places[device.id] ?? free.shift() });
  });
}

export const slotNames: readonly string[] = Array.from({ length: slots }, (_, at) => `slot${at}`);
