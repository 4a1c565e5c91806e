// Where things are, independent of the folder a script was started from.
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '');

/** The entry file of an installed package's command, to be run by this very Node (no shim, no npx start-up). */
export const bin = (path) => join(root, 'node_modules', path);
