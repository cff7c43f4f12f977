/**
 * The Kubernetes client library, loaded when it is first needed: with the models of the whole API it takes about a second
 * and 70 MB, which nobody should pay who reads manifests. `require` keeps that synchronous; Node loads ES modules with it
 * from 20.19.
 */
import { createRequire } from 'node:module';
import type { KubeConfig } from '@kubernetes/client-node';

const require = createRequire(import.meta.url);

export function newKubeConfig(): KubeConfig {
  const client = require('@kubernetes/client-node') as typeof import('@kubernetes/client-node');
  return new client.KubeConfig();
}
