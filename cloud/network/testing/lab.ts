/** Hosts and guests as network namespaces on this machine, joined by wires of their own; for tests as root. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tapOf } from '../host/names.ts';
import type { ServerPort } from '../index.ts';

export function sh(command: string): string {
  return execFileSync('sh', ['-c', command], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** What a command prints, and whether it succeeded. */
export function attempt(command: string): Promise<{ readonly ok: boolean; readonly out: string }> {
  return new Promise((resolve) => {
    execFile(
      'sh',
      ['-c', command],
      { encoding: 'utf8', timeout: 30_000 },
      (error, stdout, stderr) => resolve({ ok: error === null, out: `${stdout}${stderr}` }),
    );
  });
}

/** Sets what udhcpc was given, and writes it down. */
const dhcpScript = `#!/bin/sh
[ "$1" = bound ] || exit 0
ip address replace $ip/$mask dev $interface
ip link set $interface mtu \${mtu:-1500}
for one in $staticroutes; do [ -z "$to" ] && { to=$one; continue; }; ip route replace $to via $one; to=; done
[ -n "$router" ] && ip route replace default via $router
env > $PILEUS_LEASE
exit 0
`;

export class Lab {
  readonly folder = fs.mkdtempSync(join(tmpdir(), 'pnl-'));
  readonly tag: string;
  private readonly namespaces: string[] = [];

  constructor(tag: string) {
    this.tag = tag;
    fs.writeFileSync(join(this.folder, 'dhcp.sh'), dhcpScript, { mode: 0o755 });
  }

  private namespace(name: string): string {
    const full = `${this.tag}${name}`;
    sh(`ip netns add ${full}; ip -n ${full} link set lo up`);
    this.namespaces.push(full);
    return full;
  }

  /** Hosts joined two by two by one wire. */
  twoHosts(): [string, string] {
    const [one, two] = [this.namespace('h1'), this.namespace('h2')];
    sh(`ip link add up1 netns ${one} type veth peer name up2 netns ${two}`);
    for (const [host, device] of [
      [one, 'up1'],
      [two, 'up2'],
    ])
      sh(`ip netns exec ${host} ethtool -K ${device} tx off`);
    return [one, two];
  }

  /** A guest: a namespace whose one device hangs on the host as a tap would. */
  guest(name: string, host: string, port: Pick<ServerPort, 'id' | 'macAddress'>): Guest {
    const namespace = this.namespace(name);
    sh(`ip link add ${tapOf(port.id)} netns ${host} type veth peer name eth0 netns ${namespace}`);
    sh(
      `ip -n ${namespace} link set eth0 address ${port.macAddress} up; ip netns exec ${namespace} ethtool -K eth0 tx off`,
    );
    return new Guest(namespace, this.folder);
  }

  close(): void {
    for (const namespace of this.namespaces) {
      const pids = sh(`ip netns pids ${namespace} || true`)
        .trim()
        .split('\n')
        .filter((pid) => pid !== '');
      for (const pid of pids) process.kill(Number(pid), 'SIGKILL');
      sh(`ip netns delete ${namespace}`);
    }
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

export class Guest {
  readonly namespace: string;
  private readonly folder: string;

  constructor(namespace: string, folder: string) {
    this.namespace = namespace;
    this.folder = folder;
  }

  run(command: string) {
    return attempt(`ip netns exec ${this.namespace} sh -c '${command}'`);
  }

  /** Asks DHCP; returns what it was told. */
  async lease(): Promise<Readonly<Record<string, string>>> {
    const file = join(this.folder, `${this.namespace}.lease`);
    const { out } = await attempt(
      `PILEUS_LEASE=${file} ip netns exec ${this.namespace} busybox udhcpc -f -n -q -t 8 -T 1 -i eth0 -O mtu -O staticroutes -s ${join(this.folder, 'dhcp.sh')}`,
    );
    if (!fs.existsSync(file)) throw new Error(`no lease: ${out}`);
    return Object.fromEntries(
      fs
        .readFileSync(file, 'utf8')
        .split('\n')
        .map((line) => [line.split('=')[0] ?? '', line.slice(line.indexOf('=') + 1)]),
    );
  }

  async reaches(address: string, count = 2): Promise<boolean> {
    return (await this.run(`ping -c ${count} -i 0.2 -W 1 ${address}`)).ok;
  }

  /** Answers every TCP connection by a line; runs until the lab is closed. */
  serve(port: number, says: string): void {
    const text = `
import socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", ${port})); s.listen(16)
while True:
    c, who = s.accept()
    import threading
    def talk(c=c, who=who):
        try:
            while True:
                d = c.recv(100)
                if not d: break
                c.sendall(("${says} " + who[0] + "\\n").encode())
        except OSError: pass
    threading.Thread(target=talk, daemon=True).start()
`;
    spawn('ip', ['netns', 'exec', this.namespace, '/usr/bin/python3', '-c', text], {
      stdio: 'ignore',
      detached: true,
    }).unref();
  }

  /** Sends frames as they are; each is hexadecimal. */
  async forge(frame: string): Promise<void> {
    const text = `import socket,binascii; s=socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("eth0",0)); [s.send(binascii.unhexlify("${frame}")) for _ in range(3)]`;
    const { ok, out } = await attempt(
      `ip netns exec ${this.namespace} /usr/bin/python3 -c '${text}'`,
    );
    if (!ok) throw new Error(out);
  }

  /** Runs `what` while listening; whether a frame that the filter names came in. */
  async hears(filter: string, what: () => Promise<unknown>): Promise<boolean> {
    const listening = attempt(
      `timeout 1.8 ip netns exec ${this.namespace} tcpdump -Q in -c 1 -n -i eth0 '${filter}'`,
    );
    await new Promise((resolve) => setTimeout(resolve, 600));
    await what();
    return (await listening).ok;
  }
}

/** One line over a new TCP connection to `address`, from wherever `prefix` runs it. */
export async function ask(
  prefix: string,
  address: string,
  port: number,
): Promise<string | undefined> {
  const text = `import socket; s=socket.create_connection(("${address}",${port}),2); s.sendall(b"x"); print(s.recv(100).decode().strip())`;
  const { ok, out } = await attempt(`${prefix} /usr/bin/python3 -c '${text}'`);
  return ok ? out.trim() : undefined;
}
