import { runProcess } from '@signalbox/kit';
import { haproxyDriverProcess } from './index.ts';

await runProcess(haproxyDriverProcess);
