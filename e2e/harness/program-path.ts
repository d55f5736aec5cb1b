/** Where the programs are that tests put into a mesh. */
import { fileURLToPath } from 'node:url';

export const programPath = (name: string): string => fileURLToPath(new URL(`../programs/${name}`, import.meta.url));
