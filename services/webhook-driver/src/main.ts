import { runProcess } from '@signalbox/kit';
import { webhookDriverProcess } from './index.ts';

await runProcess(webhookDriverProcess);
