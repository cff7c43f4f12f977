/** What listens where, for people and for status. */
export interface ListenerStatus {
  /** `cluster/namespace/name`. */
  readonly service: string;
  /** The service port's name; empty for the single unnamed one. */
  readonly portName: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Why it listens there: `assigned` ports stand for a cluster IP, chosen from the port range. */
  readonly via: 'node-port' | 'assigned' | 'cluster-ip' | 'external-ip' | 'load-balancer';
  readonly address: string;
  /** Undefined when no port could be assigned. */
  readonly port: number | undefined;
  readonly state: 'listening' | 'failed';
  /** Why it failed; empty when it listens. */
  readonly reason: string;
  /** How many endpoints serve clients from other machines. */
  readonly endpointCount: number;
}
