import { Button } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { type Ref, useEffect, useRef } from 'react';
import { text } from '../i18n/text.ts';
import { type KeyAction, nextKey } from './keys.ts';
import { useSettings } from './settings.tsx';
import styles from './shortcuts.module.css';

/** Keys that work on every page. Pages add their own by listening to `weft-key` on the window. */
export function useShortcuts(showHelp: () => void): void {
  const navigate = useNavigate();
  const { paused, setPaused } = useSettings();
  const pending = useRef('');

  useEffect(() => {
    const act = (action: KeyAction): void => {
      if (action.type === 'go') void navigate({ to: action.to });
      else if (action.type === 'help') showHelp();
      else if (action.type === 'pause') setPaused(!paused);
      else if (action.type === 'filter') document.querySelector<HTMLInputElement>('input[data-filter]')?.focus();
      else window.dispatchEvent(new CustomEvent('weft-key', { detail: action.type }));
    };
    const pressed = (event: KeyboardEvent): void => {
      if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
      const target = event.target as HTMLElement;
      if (event.key !== 'Escape' && target.closest('input, textarea, select, [contenteditable]')) return;
      const { action, rest } = nextKey(pending.current, event.key);
      pending.current = rest;
      if (!action) return;
      if (action.type === 'filter') event.preventDefault();
      act(action);
    };
    window.addEventListener('keydown', pressed);
    return () => window.removeEventListener('keydown', pressed);
  }, [navigate, paused, setPaused, showHelp]);
}

/** @param handlers by action; keep the object stable. */
export function usePageKeys(handlers: Readonly<Partial<Record<'problems' | 'close', () => void>>>): void {
  useEffect(() => {
    const heard = (event: Event): void => {
      const name = (event as CustomEvent<string>).detail;
      if (name === 'problems' || name === 'close') handlers[name]?.();
    };
    window.addEventListener('weft-key', heard);
    return () => window.removeEventListener('weft-key', heard);
  }, [handlers]);
}

export function ShortcutHelp({ ref }: { readonly ref: Ref<HTMLDialogElement> }) {
  return (
    <dialog ref={ref} className={styles.dialog} aria-labelledby="shortcuts-title">
      <h2 id="shortcuts-title">{text.shortcuts.title}</h2>
      <dl className={styles.keys}>
        {text.shortcuts.rows.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog">
        <Button type="submit" variant="default" size="xs">
          {text.shortcuts.close}
        </Button>
      </form>
    </dialog>
  );
}
