/** The project's folder, with a slash at its end: seen from the sources (test/harness) and from their build (test/dist/harness). */
import { fileURLToPath } from 'node:url';

const isBuild = import.meta.url.includes('/test/dist/harness/');
export const ROOT = fileURLToPath(new URL(isBuild ? '../../../' : '../../', import.meta.url));
