import { useEffect, useRef, useState } from 'react';
import { gridLayout, keepPlaces, layeredLayout, type Positions, type Topology, topologyKey } from './layout.ts';

/** Up to here the layout takes less than a frame or two; beyond, a worker does it. */
const INLINE_NODES = 60;
const WORKER_LIMIT_MS = 2_000;

export interface Layout {
  readonly positions: Positions;
  /** Counts layouts from scratch: the view fits itself again. */
  readonly generation: number;
  readonly tidy: () => void;
}

/** Positions for a topology. Numbers may change as they like: nothing moves until nodes or edges come or go. */
export function useLayout(topology: Topology): Layout {
  const [state, setState] = useState<{ readonly positions: Positions; readonly generation: number }>({
    positions: {},
    generation: 0,
  });
  const [tidied, setTidied] = useState(0);
  const tidiedBefore = useRef(0);
  const latest = useRef(state.positions);
  const key = topologyKey(topology);

  useEffect(() => {
    const fresh = tidied !== tidiedBefore.current;
    tidiedBefore.current = tidied;
    const place = (positions: Positions, again: boolean): void => {
      latest.current = positions;
      setState(({ generation }) => ({ positions, generation: again ? generation + 1 : generation }));
    };
    const kept = fresh ? undefined : keepPlaces(topology, latest.current);
    if (kept) {
      place(kept, false);
      return undefined;
    }
    if (topology.nodes.length <= INLINE_NODES) {
      place(layeredLayout(topology), true);
      return undefined;
    }
    return layInWorker(topology, (positions) => place(positions, true));
    // The key says all of the topology that matters.
  }, [key, tidied]);

  return { ...state, tidy: () => setTidied((count) => count + 1) };
}

/** Layered within the limit, else a grid. @returns what gives it up. */
function layInWorker(topology: Topology, done: (positions: Positions) => void): () => void {
  const worker = new Worker(new URL('./layout.worker.ts', import.meta.url), { type: 'module' });
  const finish = (positions: Positions): void => {
    clearTimeout(limit);
    worker.terminate();
    done(positions);
  };
  const limit = setTimeout(() => finish(gridLayout(topology)), WORKER_LIMIT_MS);
  worker.addEventListener('message', (event: MessageEvent<Positions>) => finish(event.data));
  worker.addEventListener('error', () => finish(gridLayout(topology)));
  worker.postMessage(topology);
  return () => {
    clearTimeout(limit);
    worker.terminate();
  };
}
