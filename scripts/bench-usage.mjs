/** `--help` of the benches, told before anything is installed or built. `bench:plane` has options, and tells them itself. */

const USAGE = {
  bench: `npm run bench

Events through watcher, log, workers and store in one process, on both logs, at 1,000 and 10,000 services. Takes minutes.`,
  rules: `npm run bench:rules [-- BACKENDS [SERVICES]]

Rules from nothing to programmed, and one endpoint's change, in network namespaces; then a node agent behind an event log.
Needs root.

Examples:
  npm run bench:rules
  npm run bench:rules -- nftables
  npm run bench:rules -- nftables,iptables 1000,5000`,
  lb: `npm run bench:lb [-- SERVICES [PODS [SECONDS [CHANGES_PER_SECOND [NO_OPS]]]]]

What load balancers are told of a busy cluster, with damping and without, how late, and at what cost.

Examples:
  npm run bench:lb
  npm run bench:lb -- 100 50 10`,
  dns: `npm run bench:dns [-- SERVER]

Queries a second, latency, memory and changes of the DNS server, beside NSD, Knot and BIND. Installs them as root.

Examples:
  npm run bench:dns
  npm run bench:dns -- signalbox        only servers whose name begins so`,
  ipvs: `npm run bench:ipvs [-- BACKENDS [SERVICES]]

Rules and their programs in a virtual machine whose kernel has IPVS. Needs root on amd64 Debian. Takes minutes.

Examples:
  npm run bench:ipvs
  npm run bench:ipvs -- ipvs 100`,
};

/** Ends the process when the arguments ask for help. */
export function tellUsage(bench, args) {
  if (!args.includes('--help') && !args.includes('-h')) return;
  console.log(USAGE[bench]);
  process.exit(0);
}
