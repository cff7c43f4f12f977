export { type DnsServer, type DnsServerOptions, startDnsServer } from './dns-server.ts';
