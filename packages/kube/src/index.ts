export { currentContextOf } from './kubernetes/cluster-config.ts';
export {
  type KubernetesSourceOptions,
  type KubernetesSourceTimes,
  kubernetesSource,
} from './kubernetes/kubernetes-source.ts';
export {
  type NamespacedName,
  type PodCondition,
  type StatusClient,
  type StatusClientOptions,
  type StatusOutcome,
  statusClient,
} from './kubernetes/status-client.ts';
export { type ManifestProblem, problemText } from './manifests/manifest-problem.ts';
export { type ManifestsSourceOptions, manifestsSource } from './manifests/manifests-source.ts';
export { type Manifests, type ReadManifestsOptions, readManifests, STDIN_PATH } from './manifests/read-manifests.ts';
export * from './source.ts';
