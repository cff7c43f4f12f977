/**
 * SCTP through rendered rules, on kernels without SCTP sockets too: a first packet (INIT) is written to a raw socket, and
 * read from one where it comes out. Node has neither, so Python does it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type RenderOptions, renderRules } from '@signalbox/rules';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from './a-plan.ts';
import { NetworkLab } from './network-lab.ts';
import { describeWithPrograms } from './requirements.ts';

const SERVICE = '10.96.0.1';
const PODS = ['10.244.1.11', '10.244.1.12'];
const PLAN = aPlan({
  clusterIPs: [SERVICE],
  ports: [aPort({ protocol: 'SCTP', endpoints: PODS.map((address) => anEndpoint({ address })) })],
});

/** Prints where each INIT went: address and port; "ready" first. */
const RECEIVER = `
import socket, struct
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
print('ready', flush=True)
while True:
    packet = raw.recv(2048)
    start = (packet[0] & 15) * 4
    print(socket.inet_ntoa(packet[16:20]), struct.unpack('!H', packet[start + 2:start + 4])[0], flush=True)
`;

/** From each of so many source ports one INIT; its checksum is CRC-32C (RFC 9260, appendix A). */
const SENDER = `
import socket, struct, sys
def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff
host, count = sys.argv[1], int(sys.argv[2])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
for port in range(40000, 40000 + count):
    init = struct.pack('!BBHIIHHI', 1, 0, 20, port, 65535, 1, 1, 1)
    head = struct.pack('!HHI', port, 80, 0)
    raw.sendto(head + struct.pack('<I', crc32c(head + bytes(4) + init)) + init, (host, 0))
`;

for (const backend of ['nftables', 'iptables'] as const) {
  const loader = backend === 'nftables' ? ['nft', '-f', '-'] : ['iptables-restore', '--noflush'];
  describeWithPrograms(`SCTP through ${backend} rules`, ['ip', 'python3', loader[0] ?? ''], () => {
    const lab = new NetworkLab(`sctp-${backend}`);
    let receiver: ChildProcess | undefined;
    beforeAll(() => lab.open());
    afterAll(() => {
      receiver?.kill('SIGKILL');
      lab.close();
    });

    test('a first packet reaches every endpoint, at its port', async () => {
      const options: RenderOptions = {
        node: { name: 'n1', addresses: [] },
        backend,
        families: ['IPv4'],
        clusterCIDRs: [],
      };
      lab.run('node', loader, renderRules([PLAN], options).text);
      const args = ['netns', 'exec', lab.namespaceOf('pods'), 'python3', '-c', RECEIVER];
      const child = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] });
      receiver = child;
      const lines = createInterface(child.stdout);
      await once(lines, 'line');
      const seen: string[] = [];
      const all = new Promise<void>((resolve) => {
        lines.on('line', (line) => {
          if (seen.push(line) === 24) resolve();
        });
      });
      lab.run('client', ['python3', '-c', SENDER, SERVICE, '24']);
      await all;
      expect([...new Set(seen)].sort()).toEqual(PODS.map((address) => `${address} 8080`));
    });
  });
}
