/** kube-proxy's names of per-service chains: what people and tools look for on a node. */
import type { PlanEndpoint } from '@signalbox/contracts';
import type { ServiceRules } from '../service-rules.ts';
import { sha256 } from '../sha256.ts';

const BASE32_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
/** Together with the prefix 25 characters: the kernel allows 28. */
const HASH_LENGTH = 16;

export interface ServiceChains {
  /** All endpoints that the Cluster policy uses here. */
  readonly cluster: string;
  /** Endpoints on this node. */
  readonly local: string;
  /** Traffic to external addresses, before it is sent to one of the former. */
  readonly external: string;
  /** Sources that may reach the load-balancer addresses. */
  readonly firewall: string;
}

export function serviceChains({ id, protocol }: ServiceRules): ServiceChains {
  const hash = hashOf(`${id}${protocol}`);
  return {
    cluster: `KUBE-SVC-${hash}`,
    local: `KUBE-SVL-${hash}`,
    external: `KUBE-EXT-${hash}`,
    firewall: `KUBE-FW-${hash}`,
  };
}

export function endpointChain({ id, protocol }: ServiceRules, endpoint: PlanEndpoint): string {
  return `KUBE-SEP-${hashOf(`${id}${protocol}${endpointText(endpoint)}`)}`;
}

/** `address:port`, with IPv6 addresses in brackets. */
export function endpointText({ address, family, port }: PlanEndpoint): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}

function hashOf(text: string): string {
  return base32(sha256(text)).slice(0, HASH_LENGTH);
}

/** RFC 4648, without padding. */
function base32(bytes: Uint8Array): string {
  let text = '';
  let buffer = 0;
  let bits = 0;
  for (const byte of bytes) {
    buffer = ((buffer << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32_ALPHABET[(buffer >> bits) & 31];
    }
  }
  return text;
}
