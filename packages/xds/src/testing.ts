/** For tests of others: a control plane of hand-made resources. */
export { serveView, type ServedView } from './testing/serve-view.ts';
