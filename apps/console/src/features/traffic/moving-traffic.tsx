import type { GraphEdge } from '@weft/contracts/console-views';
import { useComputedColorScheme } from '@mantine/core';
import { useStore } from '@xyflow/react';
import { useEffect, useRef } from 'react';
import { curveBetween, pointAt } from './curve.ts';
import styles from './flow.module.css';
import type { Positions } from './layout.ts';
import { dotsAt, motionOf, seedOf } from './motion.ts';

interface MovingTrafficProps {
  readonly edges: readonly GraphEdge[];
  readonly positions: Positions;
}

const FRAME_MS = 1_000 / 30;
const DOT_RADIUS = 2.6;
/** Below this the labels of edges are too small to read, and are left out. */
export const LABEL_ZOOM = 0.55;
/** Half the size of a label, around the middle of its edge: what moves goes behind it. */
const LABEL = { x: 64, y: 11 } as const;

/** One canvas over the graph: thirty frames a second, none while the page is hidden or motion is unwanted. */
export function MovingTraffic({ edges, positions }: MovingTrafficProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useStore((store) => store.width);
  const height = useStore((store) => store.height);
  const transform = useStore((store) => store.transform);
  const scheme = useComputedColorScheme('light');
  const view = useRef(transform);

  useEffect(() => {
    view.current = transform;
  }, [transform]);

  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext('2d');
    if (!element || !context) return undefined;
    const ratio = window.devicePixelRatio;
    element.width = Math.round(width * ratio);
    element.height = Math.round(height * ratio);
    const style = getComputedStyle(element);
    const colors = { good: style.getPropertyValue('--weft-accent'), bad: style.getPropertyValue('--weft-bad') };
    const roads = edges.flatMap((edge) => {
      const [source, target] = [positions[edge.source], positions[edge.target]];
      const motion = motionOf(edge);
      if (!source || !target || motion.dots === 0) return [];
      const curve = curveBetween(source, target);
      return [{ curve, middle: pointAt(curve, 0.5), motion, seed: seedOf(edge.id) }];
    });

    const draw = (nowMs: number): void => {
      const [x, y, zoom] = view.current;
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, element.width, element.height);
      context.setTransform(zoom * ratio, 0, 0, zoom * ratio, x * ratio, y * ratio);
      for (const { curve, middle, motion, seed } of roads)
        for (const { at, failed } of dotsAt(motion, nowMs / 1_000, seed)) {
          const point = pointAt(curve, at);
          const hidden = Math.abs(point.x - middle.x) < LABEL.x && Math.abs(point.y - middle.y) < LABEL.y;
          if (hidden && zoom >= LABEL_ZOOM) continue;
          context.fillStyle = failed ? colors.bad : colors.good;
          context.beginPath();
          if (failed) diamond(context, point.x, point.y);
          else context.arc(point.x, point.y, DOT_RADIUS, 0, Math.PI * 2);
          context.fill();
        }
    };
    let drawnMs = 0;
    let frame = 0;
    const tick = (nowMs: number): void => {
      if (nowMs - drawnMs >= FRAME_MS - 1) {
        drawnMs = nowMs;
        draw(nowMs);
      }
      frame = requestAnimationFrame(tick);
    };
    frame = requestAnimationFrame(tick);
    return () => cancelAnimationFrame(frame);
  }, [edges, positions, width, height, scheme]);

  return <canvas ref={canvas} className={styles.canvas} aria-hidden />;
}

/** Failures differ in shape too, not by colour alone. */
function diamond(context: CanvasRenderingContext2D, x: number, y: number): void {
  const r = DOT_RADIUS * 1.7;
  context.moveTo(x, y - r);
  context.lineTo(x + r, y);
  context.lineTo(x, y + r);
  context.lineTo(x - r, y);
  context.closePath();
}
