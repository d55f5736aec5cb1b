/** The line of an edge as a cubic Bézier curve, for the drawn path and for what moves along it. Pure. */
import { NODE_HEIGHT, NODE_WIDTH, type Point } from './layout.ts';

export interface Curve {
  readonly from: Point;
  readonly a: Point;
  readonly b: Point;
  readonly to: Point;
}

const MIN_BEND = 40;

/** From the right side of the source to the left side of the target. */
export function curveBetween(source: Point, target: Point): Curve {
  const from = { x: source.x + NODE_WIDTH, y: source.y + NODE_HEIGHT / 2 };
  const to = { x: target.x, y: target.y + NODE_HEIGHT / 2 };
  const ahead = to.x - from.x;
  const bend = ahead >= 0 ? Math.max(MIN_BEND, ahead / 2) : MIN_BEND + Math.sqrt(-ahead) * 8;
  return { from, a: { x: from.x + bend, y: from.y }, b: { x: to.x - bend, y: to.y }, to };
}

export const pathOf = ({ from, a, b, to }: Curve): string =>
  `M${from.x},${from.y} C${a.x},${a.y} ${b.x},${b.y} ${to.x},${to.y}`;

/** @param t 0 at the source, 1 at the target. */
export function pointAt({ from, a, b, to }: Curve, t: number): Point {
  const u = 1 - t;
  const along = (p: number, q: number, r: number, s: number): number =>
    u * u * u * p + 3 * u * u * t * q + 3 * u * t * t * r + t * t * t * s;
  return { x: along(from.x, a.x, b.x, to.x), y: along(from.y, a.y, b.y, to.y) };
}
