/** Bookinfo as sources: test doubles of the ports, for tests of the API and of the console. */
export { bookinfoSources, type BookinfoSources } from './testing/bookinfo-sources.ts';
export type { Scenario } from './testing/scenario.ts';
