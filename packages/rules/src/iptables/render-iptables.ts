/**
 * Service rules of one family → text for `iptables-restore --noflush` (or `ip6tables-restore`), in the chains and with the
 * rules that kube-proxy's iptables mode makes.
 *
 *     KUBE-SERVICES ─┬─ cluster IP ───────────────────────────► KUBE-SVC-… ──► KUBE-SEP-… (DNAT)
 *                    ├─ external IP, VIP ─► (KUBE-FW-… ─►) KUBE-EXT-… ─┬─► KUBE-SVC-…
 *                    └─ KUBE-NODEPORTS ────────────────────────┘       └─► KUBE-SVL-… ──► KUBE-SEP-…
 */
import type { Family } from '../addresses.ts';
import type { FamilyParts } from '../kernel-parts.ts';
import type { RenderContext } from '../render-context.ts';
import { addBaseChains, addNodePortDispatch, hasLocalNodePorts } from './base-chains.ts';
import { RestoreText } from './restore-text.ts';

export function renderIptables({ family, parts }: FamilyParts, context: RenderContext): string {
  const text = new RestoreText();
  addBaseChains(text, family, context);
  for (const one of parts) text.addParts(one);
  addNodePortDispatch(text, family, context);
  return text.toText(headerOf(family, context));
}

function headerOf(family: Family, context: RenderContext): string[] {
  const command = family === 'IPv4' ? 'iptables-restore' : 'ip6tables-restore';
  const header = [`Signalbox, ${family}: load with ${command} --noflush`];
  if (!hasLocalNodePorts(family, context)) return header;
  return [...header, 'Node ports on 127.0.0.1 also need: sysctl -w net.ipv4.conf.all.route_localnet=1'];
}
