import { ActionIcon, Button, Skeleton, Tooltip } from '@mantine/core';
import { useClipboard } from '@mantine/hooks';
import type { UseQueryResult } from '@tanstack/react-query';
import { Check, CloudOff, Copy, Inbox, SearchX, TriangleAlert } from 'lucide-react';
import { type ReactNode, useEffect } from 'react';
import { RequestFailed } from '../api/client.ts';
import { commands } from '../i18n/commands.ts';
import { text } from '../i18n/text.ts';
import styles from './page.module.css';
import { Words } from './words.tsx';

interface PageProps {
  readonly title: string;
  /** In front of the title: the list it belongs to. */
  readonly crumb?: ReactNode;
  /** Beside the title: health, version. */
  readonly beside?: ReactNode;
  readonly why?: string | undefined;
  /** The same on the command line. */
  readonly command: string;
  /** Uses the whole window. */
  readonly full?: boolean;
  readonly children: ReactNode;
}

export function Page({ title, crumb, beside, why, command, full = false, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · ${text.product}`;
  }, [title]);
  return (
    <div className={styles.page} data-full={full}>
      <header className={styles.head}>
        <div className={styles.title}>
          {crumb && (
            <span className={styles.crumb}>
              {crumb} <span aria-hidden>/</span>
            </span>
          )}
          <h1>{title}</h1>
          {beside}
        </div>
        <span className={styles.spring} />
        <Command line={command} />
        {why !== undefined && (
          <p className={styles.why}>
            <Words>{why}</Words>
          </p>
        )}
      </header>
      {children}
    </div>
  );
}

export function Command({ line }: { readonly line: string }) {
  const { copy, copied } = useClipboard({ timeout: 1500 });
  const label = copied ? text.bar.copied : text.bar.copy;
  return (
    <span className={styles.command} title={text.bar.cli}>
      <code>{line}</code>
      <Tooltip label={label} withArrow>
        <ActionIcon variant="subtle" color="gray" size={24} aria-label={`${label}: ${line}`} onClick={() => copy(line)}>
          {copied ? <Check size={14} /> : <Copy size={14} />}
        </ActionIcon>
      </Tooltip>
    </span>
  );
}

interface CardProps {
  readonly title?: ReactNode;
  readonly actions?: ReactNode;
  /** Without inner space: for tables. */
  readonly flush?: boolean;
  readonly children: ReactNode;
}

export function Card({ title, actions, flush = false, children }: CardProps) {
  return (
    <section className={styles.card}>
      {title !== undefined && (
        <div className={styles.cardHead}>
          <h2>{title}</h2>
          <span className={styles.spring} />
          {actions}
        </div>
      )}
      <div className={styles.cardBody} data-flush={flush}>
        {children}
      </div>
    </section>
  );
}

export const Grid = ({ children }: { readonly children: ReactNode }) => <div className={styles.grid}>{children}</div>;
export const Side = ({ children }: { readonly children: ReactNode }) => <div className={styles.side}>{children}</div>;
export const Stack = ({ children }: { readonly children: ReactNode }) => <div className={styles.stack}>{children}</div>;
export const Quiet = ({ children }: { readonly children: ReactNode }) => <div className={styles.quiet}>{children}</div>;

export function Facts({ rows }: { readonly rows: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className={styles.facts}>
      {rows.map(([name, value]) => (
        <Fact key={name} name={name} value={value} />
      ))}
    </dl>
  );
}

const Fact = ({ name, value }: { readonly name: string; readonly value: ReactNode }) => (
  <>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </>
);

interface EmptyProps {
  readonly title: string;
  readonly how?: string;
  readonly command?: string;
  readonly icon?: ReactNode;
  readonly children?: ReactNode;
}

/** Why there is nothing, and the one thing that helps. */
export function Empty({ title, how, command, icon, children }: EmptyProps) {
  return (
    <div className={styles.empty} role="status">
      {icon ?? <Inbox size={32} strokeWidth={1.5} aria-hidden />}
      <h2>{title}</h2>
      {how !== undefined && <p>{how}</p>}
      {command !== undefined && <Command line={command} />}
      {children}
    </div>
  );
}

interface LoadedProps<T> {
  readonly query: UseQueryResult<T>;
  readonly children: (data: T) => ReactNode;
  readonly height?: number;
}

/** A card's states: loading in its own size, failed with the reason, or the data; a failed refresh keeps the last data. */
export function Loaded<T>({ query, children, height = 160 }: LoadedProps<T>) {
  if (query.data !== undefined)
    return (
      <>
        {query.isError && <Stale error={query.error} />}
        {children(query.data)}
      </>
    );
  if (query.isError) return <Failed error={query.error} retry={() => void query.refetch()} />;
  return <Skeleton height={height} radius={8} aria-busy="true" />;
}

function Stale({ error }: { readonly error: Error }) {
  return (
    <p className={styles.notice} role="alert">
      <TriangleAlert size={16} aria-hidden />
      {error.message}
    </p>
  );
}

export function Failed({ error, retry }: { readonly error: Error; readonly retry?: () => void }) {
  const failed = error instanceof RequestFailed ? error : undefined;
  if (failed?.status === 404)
    return (
      <Empty
        title={text.failed.notFound}
        how={failed.message}
        icon={<SearchX size={32} strokeWidth={1.5} aria-hidden />}
      >
        {failed.body?.hint !== undefined && (
          <p>
            <Words>{failed.body.hint}</Words>
          </p>
        )}
      </Empty>
    );
  const away = failed?.status === 0;
  return (
    <Empty
      title={away ? failed.message : text.failed.title}
      how={away ? text.failed.away : error.message}
      {...(away ? { command: commands.status() } : {})}
      icon={<CloudOff size={32} strokeWidth={1.5} aria-hidden />}
    >
      {failed?.body?.hint !== undefined && (
        <p>
          <Words>{failed.body.hint}</Words>
        </p>
      )}
      {retry && (
        <Button variant="default" size="xs" onClick={retry}>
          {text.failed.retry}
        </Button>
      )}
    </Empty>
  );
}
