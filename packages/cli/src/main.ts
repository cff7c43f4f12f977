import { dropEmptyVariables } from '@signalbox/kit';
import { runCli } from './program.ts';

// Whoever reads the output may stop early, as `head` does: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

dropEmptyVariables(process.env);
process.exitCode = await runCli(process.argv.slice(2), process);
