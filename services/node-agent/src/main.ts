import { runProcess } from '@signalbox/kit';
import { nodeAgentProcess } from './index.ts';

await runProcess(nodeAgentProcess);
