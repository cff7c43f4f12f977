export interface ListenAddress {
  readonly address: string;
  readonly port: number;
}

/** `127.0.0.1:80`, `[::1]:80`. */
export function formatAddress({ address, port }: ListenAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
