/** A virtual machine that lives as long as one program: kernel, files in memory, two serial lines, no network, no disk. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { DebianKernel } from './debian-kernel.ts';
import { Initramfs } from './initramfs.ts';

export interface MachineOptions {
  readonly kernel: DebianKernel;
  /** For the files that the machine starts from, and its log. */
  readonly folder: string;
  /** Content by path. */
  readonly files: ReadonlyMap<string, Buffer | string>;
  /** Programs of this machine that it needs, by full path. */
  readonly programs: readonly string[];
  /** Runs with node; whatever it writes to /dev/ttyS1 is handed out. */
  readonly main: string;
  readonly timeoutMs: number;
}

const MODULES_AT_BOOT = 'ip_vs ip_vs_rr nf_conntrack dummy veth';
/** Others than those of the network are not needed, nor are most of those. */
const WANTED_MODULE = /\/(kernel\/(net|lib|crypto)\/|kernel\/drivers\/net\/(dummy|veth)\.ko|modules\.)/;
const UNWANTED_MODULE =
  /\/(bluetooth|mac80211|wireless|sunrpc|ceph|tipc|rds|smc|nfc|can|batman-adv|rxrpc|dccp|9p|vmw_vsock)\//;
const MEMORY_MIB = 1536;

/** Lines from the machine's second serial port, until it is powered off. Throws with the kernel's log when it breaks. */
export async function* runMachine(options: MachineOptions): AsyncGenerator<string> {
  const [initrd, log] = [join(options.folder, 'initrd'), join(options.folder, 'kernel.log')];
  writeFileSync(initrd, fileSystem(options).toBuffer());
  writeFileSync(log, '');
  const child = spawn('nice', ['qemu-system-x86_64', ...machineArguments(options.kernel.image, initrd, log)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let isLate = false;
  const deadline = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, options.timeoutMs);
  try {
    const exited = once(child, 'exit');
    for await (const line of createInterface(child.stdout)) yield line;
    const [code] = (await exited) as [number | null];
    if (code === 0) return;
    const reason = isLate ? `took longer than ${options.timeoutMs / 1000} s` : `ended with ${code}`;
    throw new Error(
      `the virtual machine ${reason}; its kernel's last words:\n${readFileSync(log, 'utf8').slice(-3000)}`,
    );
  } finally {
    clearTimeout(deadline);
    child.kill('SIGKILL');
  }
}

/**
 * Software emulation: works in containers and in other virtual machines, at a tenth of the speed. Its clock counts
 * instructions, so a busy machine around it makes no timeouts, and it does not wait while there is nothing to do.
 */
function machineArguments(kernel: string, initrd: string, log: string): string[] {
  const machine = `-machine q35 -accel tcg -icount shift=3,sleep=off -cpu max -m ${MEMORY_MIB} -nodefaults -display none -no-reboot`;
  const kernelOptions = 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr';
  return [
    ...machine.split(' '),
    '-serial',
    `file:${log}`,
    '-serial',
    'stdio',
    '-kernel',
    kernel,
    '-initrd',
    initrd,
    '-append',
    kernelOptions,
  ];
}

function fileSystem({ kernel, files, programs, main }: MachineOptions): Initramfs {
  const system = new Initramfs();
  for (const folder of ['/dev', '/proc', '/sys', '/run', '/tmp', '/sbin', '/usr/bin', '/usr/sbin'])
    system.folder(folder);
  system.copy('/bin/busybox');
  // The shell of busybox would prefer its own ip to the real one.
  system.program('/bin/dash', '/bin/sh');
  for (const path of programs) system.program(path, join(PROGRAMS_FOLDER, path.slice(path.lastIndexOf('/') + 1)));
  system.program(realpathSync(process.execPath), '/usr/local/bin/node');
  const modules = `/lib/modules/${kernel.version}`;
  system.copyTree(kernel.modules, modules, (path) => WANTED_MODULE.test(path) && !UNWANTED_MODULE.test(path));
  system.file('/etc/protocols', 'tcp 6 TCP\nudp 17 UDP\nsctp 132 SCTP\nicmp 1 ICMP\nipv6-icmp 58 IPv6-ICMP\n');
  for (const [path, content] of files) system.file(path, content);
  system.file('/init', initScript(main));
  return system;
}

/** Before the folders that busybox links its own, smaller versions of programs into. */
const PROGRAMS_FOLDER = '/usr/local/sbin';

function initScript(main: string): string {
  return `#!/bin/sh
export PATH=${PROGRAMS_FOLDER}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mkdir -p /run/netns
ip link set lo up
stty -F /dev/ttyS1 raw -echo
for module in ${MODULES_AT_BOOT}; do modprobe $module; done
node ${main} >/dev/console 2>&1
poweroff -f
`;
}
