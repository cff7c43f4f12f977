/** Commands as the runtime socket takes them: one line each. */
import type { LbProxy } from '../config/proxy.ts';
import { NOWHERE, serverOptions } from '../config/render-config.ts';
import type { ServerCommand } from './plan-servers.ts';

/**
 * Names of backends and servers, addresses and numbers hold nothing that the socket gives a meaning to (space, `;`, `\`,
 * line break): compile-proxy sees to that.
 */
export function renderCommand(proxy: LbProxy, command: ServerCommand): string {
  const server = `${proxy.name}/${command.server}`;
  switch (command.type) {
    case 'add':
      return `add server ${server} ${NOWHERE.address}:${NOWHERE.port} weight 1 ${serverOptions(proxy)} port ${NOWHERE.port} disabled`;
    case 'enable-checks':
      return `enable health ${server}`;
    case 'address':
      return `set server ${server} addr ${command.address} port ${command.port}`;
    case 'check-port':
      return `set server ${server} check-port ${command.port}`;
    case 'weight':
      return `set server ${server} weight ${command.weight}`;
    case 'admin':
      return `set server ${server} state ${command.admin}`;
    case 'delete':
      return `del server ${server}`;
  }
}
