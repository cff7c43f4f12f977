export { type NodeAgent, type NodeAgentOptions, startNodeAgent } from './node-agent.ts';
export { nodeAgentProcess } from './node-agent-process.ts';
