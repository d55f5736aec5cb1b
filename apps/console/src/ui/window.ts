/** The time range as it stands in the URL. Pure. */
export const WINDOWS = { '1m': 60_000, '5m': 300_000, '15m': 900_000, '1h': 3_600_000 } as const;
export type WindowName = keyof typeof WINDOWS;
export const DEFAULT_WINDOW: WindowName = '1m';

export const isWindow = (value: unknown): value is WindowName =>
  typeof value === 'string' && Object.hasOwn(WINDOWS, value);

/** Unknown names are the default, so that an old link still opens. */
export const windowMsOf = (name: unknown): number => WINDOWS[isWindow(name) ? name : DEFAULT_WINDOW];
