export interface ListenAt {
  readonly address: string;
  readonly port: number;
}

export interface Listener {
  /** Takes nothing new from now on; the port is free when this returns. */
  close(): void;
}
