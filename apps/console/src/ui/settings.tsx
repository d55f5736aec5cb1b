/** What the whole page shares: time range (in the URL), paused or live, and the stream's state. */
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { useSearch } from '@tanstack/react-router';
import { followMesh, type LiveState } from '../api/live.ts';
import { windowMsOf } from './window.ts';

interface Settings {
  readonly windowMs: number;
  readonly paused: boolean;
  readonly setPaused: (paused: boolean) => void;
  readonly live: LiveState;
}

const Context = createContext<Settings | undefined>(undefined);

export function SettingsProvider({ children }: { readonly children: ReactNode }) {
  const { w } = useSearch({ strict: false });
  const windowMs = windowMsOf(w);
  const [paused, setPaused] = useState(false);
  const [live, setLive] = useState<LiveState>('connecting');
  const visible = usePageVisible();
  const client = useQueryClient();

  useEffect(
    () => (paused || !visible ? undefined : followMesh(client, windowMs, setLive)),
    [client, windowMs, paused, visible],
  );
  const settings = useMemo(() => ({ windowMs, paused, setPaused, live }), [windowMs, paused, live]);
  return <Context value={settings}>{children}</Context>;
}

export function useSettings(): Settings {
  const settings = useContext(Context);
  if (!settings) throw new Error('no settings around this component');
  return settings;
}

function usePageVisible(): boolean {
  const [visible, setVisible] = useState(() => !document.hidden);
  useEffect(() => {
    const changed = (): void => setVisible(!document.hidden);
    document.addEventListener('visibilitychange', changed);
    return () => document.removeEventListener('visibilitychange', changed);
  }, []);
  return visible;
}

/** The time, once a second: for ages and countdowns. */
export function useNow(everyMs = 1_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
