import type { Health, HealthStatus, MtlsState, SyncState } from '@weft/contracts/console-views';
import { Tooltip } from '@mantine/core';
import {
  CircleAlert,
  CircleCheck,
  CircleDashed,
  CircleMinus,
  CircleX,
  Lock,
  LockOpen,
  type LucideIcon,
} from 'lucide-react';
import type { ReactNode } from 'react';
import { text } from '../i18n/text.ts';
import styles from './bits.module.css';
import { HEALTH_TONE, MTLS_TONE, SYNC_TONE, type Tone } from './tone.ts';

const ICONS: Readonly<Record<Tone, LucideIcon>> = {
  good: CircleCheck,
  warn: CircleAlert,
  bad: CircleX,
  wait: CircleDashed,
  none: CircleMinus,
};

interface BadgeProps {
  readonly tone: Tone;
  readonly children: ReactNode;
  readonly icon?: LucideIcon;
  /** Without the coloured ground, for tables. */
  readonly plain?: boolean;
}

export function Badge({ tone, children, icon, plain = false }: BadgeProps) {
  const Icon = icon ?? ICONS[tone];
  return (
    <span className={`${styles.badge} ${styles[tone]}`} data-plain={plain}>
      <Icon size={14} aria-hidden />
      {children}
    </span>
  );
}

export function HealthBadge({ health, plain = false }: { readonly health: Health; readonly plain?: boolean }) {
  return (
    <Tooltip
      label={health.why}
      multiline
      maw={360}
      withArrow
      openDelay={200}
      events={{ hover: true, focus: true, touch: true }}
    >
      <span tabIndex={0}>
        <Badge tone={HEALTH_TONE[health.status]} plain={plain}>
          {text.health[health.status]}
        </Badge>
      </span>
    </Tooltip>
  );
}

export function HealthIcon({ status, size = 16 }: { readonly status: HealthStatus; readonly size?: number }) {
  const tone = HEALTH_TONE[status];
  const Icon = ICONS[tone];
  return <Icon size={size} className={`${styles.toned} ${styles[tone]}`} role="img" aria-label={text.health[status]} />;
}

export function MtlsBadge({ mtls, plain = true }: { readonly mtls: MtlsState; readonly plain?: boolean }) {
  return (
    <Badge
      tone={MTLS_TONE[mtls]}
      icon={mtls === 'mutual' ? Lock : mtls === 'unknown' ? CircleMinus : LockOpen}
      plain={plain}
    >
      {text.mtls[mtls]}
    </Badge>
  );
}

export function SyncBadge({
  state,
  plain = true,
}: {
  readonly state: SyncState | 'disconnected';
  readonly plain?: boolean;
}) {
  return (
    <Badge tone={SYNC_TONE[state]} plain={plain}>
      {text.sync[state]}
    </Badge>
  );
}

export const Tag = ({ children }: { readonly children: ReactNode }) => <span className={styles.tag}>{children}</span>;
export const Tags = ({ children }: { readonly children: ReactNode }) => <span className={styles.tags}>{children}</span>;

export function Toned({ tone, children }: { readonly tone: Tone; readonly children: ReactNode }) {
  return <span className={tone === 'none' ? undefined : `${styles.toned} ${styles[tone]}`}>{children}</span>;
}

/** A small line of recent values; for the eye only, the number stands beside it. */
export function Sparkline({ points }: { readonly points: readonly number[] }) {
  const top = Math.max(...points, 0);
  if (points.length < 2 || top === 0) return <span className="muted">–</span>;
  const path = points
    .map(
      (value, i) =>
        `${i === 0 ? 'M' : 'L'}${((i / (points.length - 1)) * 96).toFixed(1)} ${(22 - (value / top) * 20).toFixed(1)}`,
    )
    .join('');
  return (
    <svg className={styles.spark} viewBox="0 0 96 24" preserveAspectRatio="none" aria-hidden>
      <path d={path} />
    </svg>
  );
}

export function Meter({ percent, tone }: { readonly percent: number; readonly tone: Tone }) {
  return (
    <span className={`${styles.bar} ${styles[tone]}`} aria-hidden>
      <span style={{ width: `${Math.min(100, percent)}%` }} />
    </span>
  );
}
