/** The least of NATS's decentralised authentication: an operator, an account and a user, signed by their NKeys. */
import { createHash } from 'node:crypto';
import { nkeys } from '@nats-io/transport-node';

type KeyPair = ReturnType<typeof nkeys.createUser>;

export interface OperatorMode {
  /** For nats-server. */
  readonly config: string;
  /** For the client, as `nsc` writes them. */
  readonly credentials: string;
}

export function operatorMode(): OperatorMode {
  const [operator, account, system, user] = [
    nkeys.createOperator(),
    nkeys.createAccount(),
    nkeys.createAccount(),
    nkeys.createUser(),
  ];
  const unlimited = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1, subs: -1, data: -1, payload: -1 };
  const limits = { ...unlimited, imports: -1, exports: -1, conn: -1, leaf: -1, wildcards: true };
  const operatorJwt = sign(operator, operator, { type: 'operator', system_account: system.getPublicKey() });
  const accountJwt = sign(account, operator, { type: 'account', limits });
  const systemJwt = sign(system, operator, { type: 'account', limits: { ...limits, mem_storage: 0, disk_storage: 0 } });
  const userJwt = sign(user, account, { type: 'user', subs: -1, data: -1, payload: -1 });
  return {
    config: `operator: ${operatorJwt}
resolver: MEMORY
resolver_preload: { ${account.getPublicKey()}: ${accountJwt}, ${system.getPublicKey()}: ${systemJwt} }`,
    credentials: `-----BEGIN NATS USER JWT-----
${userJwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${new TextDecoder().decode(user.getSeed())}
------END USER NKEY SEED------
`,
  };
}

/** As NATS's JWT library does: the id is a hash of the claims, the algorithm Ed25519 by an NKey. */
function sign(subject: KeyPair, issuer: KeyPair, nats: Record<string, unknown>): string {
  const claims = {
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: String(nats.type),
    iat: 1_600_000_000,
  };
  const body = { ...claims, nats: { ...nats, version: 2 } };
  const jti = createHash('sha256').update(JSON.stringify(body)).digest('hex').toUpperCase();
  const parts = [
    { typ: 'JWT', alg: 'ed25519-nkey' },
    { jti, ...body },
  ].map((part) => encode(JSON.stringify(part)));
  const signed = parts.join('.');
  return `${signed}.${encode(issuer.sign(new TextEncoder().encode(signed)))}`;
}

function encode(data: string | Uint8Array): string {
  return Buffer.from(data).toString('base64url');
}
