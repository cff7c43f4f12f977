import { connect, type NatsConnection } from '@nats-io/transport-node';
import { inboxPrefixOf } from './inbox.ts';
import { authenticatorOf, connectError, type NatsLogin, type NatsTls, serverOptions } from './nats-settings.ts';

interface ConnectionOptions {
  readonly servers: string | readonly string[];
  readonly name: string;
  readonly login?: NatsLogin;
  readonly tls?: NatsTls;
}

/** One that reconnects for ever. Throws what `connectError` makes of a failure. */
export async function openConnection({
  servers,
  name,
  login = {},
  tls = {},
}: ConnectionOptions): Promise<NatsConnection> {
  const list = typeof servers === 'string' ? [servers] : [...servers];
  const authenticator = authenticatorOf(login);
  const options = { ...serverOptions(list, tls), ...(authenticator && { authenticator }) };
  try {
    return await connect({
      ...options,
      name,
      // Of the service, so that it can be let read its own answers and no others.
      inboxPrefix: inboxPrefixOf(name),
      timeout: 5000,
      // Half-open connections are found after two pings without an answer.
      pingInterval: 10_000,
      maxPingOut: 2,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      ignoreAuthErrorAbort: true,
      noAsyncTraces: true,
    });
  } catch (error) {
    throw connectError(error, list, login);
  }
}
