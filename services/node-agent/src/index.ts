export { type NodeAgent, startNodeAgent } from './node-agent.ts';
export { nodeAgentProcess } from './node-agent-process.ts';
export type { NodeAgentOptions } from './start-options.ts';
