/** Layers a large graph beside the main thread. */
import { layeredLayout, type Topology } from './layout.ts';

self.addEventListener('message', (event: MessageEvent<Topology>) => {
  self.postMessage(layeredLayout(event.data));
});
