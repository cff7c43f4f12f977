/**
 * A cluster's life as load balancers feel it: rollouts (a pod comes, is ready, another terminates, is gone), pods that flap,
 * events that change nothing, and now and then a node that fails. Repeatable by its seed.
 */
import { type EndpointSliceObject, type LogObject, nodeObjectSchema, type ServiceObject } from '@signalbox/contracts';
import { pick, type Random } from '../harness/cluster-changes.ts';
import { aService } from '../harness/objects.ts';

export interface Change {
  readonly slice: EndpointSliceObject;
  /** Addresses that the cluster stopped, or began, to want in. */
  readonly removed: readonly string[];
  readonly added: readonly string[];
}

interface Pod {
  readonly address: string;
  readonly name: string;
  readonly node: string;
  isReady: boolean;
  isTerminating: boolean;
}

interface Deployment {
  readonly name: string;
  pods: Pod[];
}

interface Rollout {
  readonly deployment: Deployment;
  remaining: Pod[];
  arriving: Pod | undefined;
  leaving: Pod | undefined;
}

const NODES = 250;
const ROLLOUTS_AT_ONCE = 20;
const FLAPPING_SHARE = 0.1;

export class Churn {
  readonly #random: Random;
  readonly #deployments: readonly Deployment[];
  readonly #rollouts: Rollout[] = [];
  #pods = 0;

  constructor(services: number, podsPerService: number, random: Random) {
    this.#random = random;
    this.#deployments = Array.from({ length: services }, (_, i) => {
      const name = `web-${i}`;
      return { name, pods: Array.from({ length: podsPerService }, () => this.#pod(name, true)) };
    });
  }

  /** All objects of the cluster, as a first list has them. */
  objects(): LogObject[] {
    const nodes = Array.from({ length: NODES }, (_, i) =>
      nodeObjectSchema.parse({
        kind: 'Node',
        metadata: { name: `node-${i}` },
        status: {
          addresses: [{ type: 'InternalIP', address: `192.168.${i >> 8}.${i & 255}` }],
          conditions: [{ type: 'Ready', status: 'True' }],
        },
      }),
    );
    return [...nodes, ...this.#deployments.flatMap((each) => [serviceOf(each), sliceOf(each)])];
  }

  /** A change that some load balancer has to do with, or prepares one: a pod that is not ready yet. */
  next(): Change {
    return this.#random() < FLAPPING_SHARE ? this.#flap() : this.#rollOn();
  }

  /** The same again: a controller wrote an annotation, a time, a resync. */
  nothing(): EndpointSliceObject {
    return sliceOf(pick(this.#random, this.#deployments));
  }

  /** All pods of one node stop being ready, or are ready again. */
  turnNode(node: string, isReady: boolean): Change[] {
    return this.#deployments.flatMap((deployment) => {
      const pods = deployment.pods.filter((pod) => pod.node === node && pod.isReady !== isReady && !pod.isTerminating);
      for (const pod of pods) pod.isReady = isReady;
      const addresses = pods.map(({ address }) => address);
      return pods.length === 0 ? [] : [change(deployment, isReady ? { added: addresses } : { removed: addresses })];
    });
  }

  /** So many pods of one Deployment stop being ready at once that a load balancer should ask whether it is meant. */
  breakDeployment(share: number): Change {
    const deployment = pick(this.#random, this.#deployments);
    const ready = deployment.pods.filter((pod) => pod.isReady && !pod.isTerminating);
    const broken = ready.slice(0, Math.ceil(share * ready.length));
    for (const pod of broken) pod.isReady = false;
    return change(deployment, { removed: broken.map(({ address }) => address) });
  }

  #flap(): Change {
    // Few, so that they are the same ones again and again.
    const deployment = this.#deployments[Math.floor(this.#random() * 20)] ?? pick(this.#random, this.#deployments);
    const pod = pick(this.#random, deployment.pods.slice(0, 2));
    if (pod.isTerminating) return this.#rollOn();
    pod.isReady = !pod.isReady;
    return change(deployment, pod.isReady ? { added: [pod.address] } : { removed: [pod.address] });
  }

  #rollOn(): Change {
    const rollout = this.#rollout();
    const { deployment, arriving, leaving } = rollout;
    if (arriving !== undefined && !arriving.isReady) {
      arriving.isReady = true;
      return change(deployment, { added: [arriving.address] });
    }
    if (leaving?.isTerminating) {
      deployment.pods = deployment.pods.filter((pod) => pod !== leaving);
      rollout.arriving = undefined;
      rollout.leaving = undefined;
      return change(deployment, {});
    }
    if (leaving !== undefined) {
      const removed = leaving.isReady ? [leaving.address] : [];
      leaving.isTerminating = true;
      return change(deployment, { removed });
    }
    rollout.leaving = rollout.remaining.shift();
    rollout.arriving = this.#pod(deployment.name, false);
    deployment.pods.push(rollout.arriving);
    return change(deployment, {});
  }

  #rollout(): Rollout {
    for (let i = this.#rollouts.length - 1; i >= 0; i -= 1) {
      const rollout = this.#rollouts[i];
      if (rollout?.remaining.length === 0 && rollout.leaving === undefined) this.#rollouts.splice(i, 1);
    }
    while (this.#rollouts.length < ROLLOUTS_AT_ONCE) {
      const deployment = pick(this.#random, this.#deployments);
      if (this.#rollouts.some((each) => each.deployment === deployment)) continue;
      this.#rollouts.push({ deployment, remaining: [...deployment.pods], arriving: undefined, leaving: undefined });
    }
    return pick(this.#random, this.#rollouts);
  }

  #pod(deployment: string, isReady: boolean): Pod {
    const number = this.#pods;
    this.#pods += 1;
    const address = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
    return { address, name: `${deployment}-${number}`, node: `node-${number % NODES}`, isReady, isTerminating: false };
  }
}

function change(deployment: Deployment, { removed = [], added = [] }: Partial<Change>): Change {
  return { slice: sliceOf(deployment), removed, added };
}

function serviceOf({ name }: Deployment): ServiceObject {
  return aService(name, { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false });
}

/** As a source has parsed it; written by hand, because parsing would cost more than what is measured. */
function sliceOf({ name, pods }: Deployment): EndpointSliceObject {
  return {
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: pods.map((pod) => ({
      addresses: [pod.address],
      nodeName: pod.node,
      conditions: {
        ready: pod.isReady && !pod.isTerminating,
        serving: pod.isReady,
        terminating: pod.isTerminating,
      },
      targetRef: { kind: 'Pod', namespace: 'shop', name: pod.name },
    })),
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  };
}
