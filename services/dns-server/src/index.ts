export { type DnsServer, type DnsServerOptions, startDnsServer } from './dns-server.ts';
export type { ForwardSettings } from './forward/forwarder.ts';
