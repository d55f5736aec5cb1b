/** What is on every page: where one is, which time is looked at, whether it is live, who may write. */
import { ActionIcon, Button, Menu, NativeSelect, Tooltip, useMantineColorScheme } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useNavigate, useSearch } from '@tanstack/react-router';
import {
  Boxes,
  FileCode2,
  Keyboard,
  LayoutDashboard,
  ListTree,
  type LucideIcon,
  Monitor,
  Moon,
  Network,
  Pause,
  PencilLine,
  PencilOff,
  Play,
  Server,
  Sun,
  Workflow,
} from 'lucide-react';
import { useRef } from 'react';
import { send } from '../api/client.ts';
import { queries } from '../api/queries.ts';
import { clockTime } from '../format/numbers.ts';
import { text } from '../i18n/text.ts';
import { HealthIcon } from './badges.tsx';
import { SettingsProvider, useSettings } from './settings.tsx';
import { ShortcutHelp, useShortcuts } from './shortcuts.tsx';
import styles from './shell.module.css';
import { DEFAULT_WINDOW, isWindow, WINDOWS } from './window.ts';
import { Words } from './words.tsx';

const PLACES: readonly (readonly [string, readonly (readonly [to: string, label: string, icon: LucideIcon])[]])[] = [
  [
    text.nav.observe,
    [
      ['/overview', text.nav.overview, LayoutDashboard],
      ['/traffic', text.nav.traffic, Workflow],
      ['/services', text.nav.services, Network],
      ['/workloads', text.nav.workloads, Boxes],
      ['/traces', text.nav.traces, ListTree],
    ],
  ],
  [
    text.nav.control,
    [
      ['/config', text.nav.config, FileCode2],
      ['/mesh', text.nav.mesh, Server],
    ],
  ],
];

export function Shell() {
  return (
    <SettingsProvider>
      <Frame />
    </SettingsProvider>
  );
}

function Frame() {
  const help = useRef<HTMLDialogElement>(null);
  useShortcuts(() => help.current?.showModal());
  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#content">
        {text.nav.skip}
      </a>
      <Navigation />
      <div className={styles.main}>
        <div className={styles.bar}>
          <MeshChip />
          <span className={styles.spring} />
          <WindowPicker />
          <LiveChip />
          <SessionChip />
          <ThemeMenu />
          <Tooltip label={text.bar.help} withArrow>
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label={text.bar.help}
              onClick={() => help.current?.showModal()}
            >
              <Keyboard size={17} />
            </ActionIcon>
          </Tooltip>
        </div>
        <main id="content" className={styles.content} tabIndex={-1}>
          <Outlet />
        </main>
      </div>
      <ShortcutHelp ref={help} />
    </div>
  );
}

function Navigation() {
  const { windowMs, paused } = useSettings();
  const { data: mesh } = useQuery(queries.mesh(windowMs, paused));
  return (
    <nav className={styles.nav} aria-label={text.nav.label}>
      <Link to="/overview" className={styles.brand}>
        <img src="/favicon.svg" alt="" />
        <span className={styles.label}>{text.product}</span>
      </Link>
      {PLACES.map(([group, places]) => (
        <div key={group}>
          <div className={styles.group}>{group}</div>
          {places.map(([to, label, Icon]) => (
            <Link key={to} to={to} className={styles.link} activeOptions={{ includeSearch: false }}>
              <Icon size={17} aria-hidden />
              <span className={styles.label}>{label}</span>
            </Link>
          ))}
        </div>
      ))}
      {mesh && (
        <div className={styles.foot}>
          {mesh.trustDomain} · {mesh.version}
        </div>
      )}
    </nav>
  );
}

/** One look: is the mesh well. Leads to what needs attention. */
function MeshChip() {
  const { windowMs, paused } = useSettings();
  const { data: mesh } = useQuery(queries.mesh(windowMs, paused));
  if (!mesh) return null;
  return (
    <Link to="/overview" className={styles.chip}>
      <HealthIcon status={mesh.health.status} />
      <span>
        <Words>{mesh.health.why}</Words>
      </span>
    </Link>
  );
}

function WindowPicker() {
  const { w } = useSearch({ strict: false });
  const navigate = useNavigate();
  return (
    <NativeSelect
      size="xs"
      w={150}
      aria-label={text.bar.window}
      value={isWindow(w) ? w : DEFAULT_WINDOW}
      data={Object.keys(WINDOWS).map((value) => ({ value, label: text.bar.windows[value as keyof typeof WINDOWS] }))}
      onChange={({ currentTarget: { value } }) => {
        if (isWindow(value))
          void navigate({ to: '.', search: (former: object) => ({ ...former, w: value }), replace: true });
      }}
    />
  );
}

function LiveChip() {
  const { paused, setPaused, live } = useSettings();
  const label = paused ? text.bar.resume : text.bar.pause;
  const state = paused ? 'paused' : live;
  const words = { paused: text.bar.paused, live: text.bar.live, connecting: text.bar.connecting, lost: text.bar.lost };
  return (
    <>
      <span className={styles.chip} role="status">
        <span className={styles.pulse} data-state={state} aria-hidden />
        <span>{words[state]}</span>
      </span>
      <Tooltip label={label} withArrow>
        <ActionIcon variant="subtle" color="gray" aria-label={label} onClick={() => setPaused(!paused)}>
          {paused ? <Play size={17} /> : <Pause size={17} />}
        </ActionIcon>
      </Tooltip>
    </>
  );
}

function SessionChip() {
  const { data: session } = useQuery(queries.session());
  const client = useQueryClient();
  if (!session) return null;
  const Icon = session.writable ? PencilLine : PencilOff;
  const why =
    session.writable && session.expiresAt !== undefined
      ? text.bar.writableUntil(clockTime(session.expiresAt))
      : (session.reason ?? text.bar.writable);
  return (
    <Menu position="bottom-end" withArrow>
      <Menu.Target>
        <Button
          className={styles.quiet ?? ''}
          variant="subtle"
          color="gray"
          size="compact-sm"
          leftSection={<Icon size={15} aria-hidden />}
        >
          {session.writable ? text.bar.writable : text.bar.readOnly}
        </Button>
      </Menu.Target>
      <Menu.Dropdown maw={300}>
        <Menu.Label>
          <Words>{why}</Words>
        </Menu.Label>
        {session.writable && (
          <Menu.Item
            onClick={() =>
              void send('DELETE', '/session').then(() => client.invalidateQueries({ queryKey: ['session'] }))
            }
          >
            {text.bar.signOut}
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}

const THEMES = { light: Sun, dark: Moon, auto: Monitor } as const;

function ThemeMenu() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Current = THEMES[colorScheme];
  return (
    <Menu position="bottom-end" withArrow>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={text.bar.theme}>
          <Current size={17} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {(['light', 'dark', 'auto'] as const).map((theme) => {
          const Icon = THEMES[theme];
          return (
            <Menu.Item key={theme} leftSection={<Icon size={15} aria-hidden />} onClick={() => setColorScheme(theme)}>
              {text.bar.themes[theme]}
            </Menu.Item>
          );
        })}
      </Menu.Dropdown>
    </Menu>
  );
}
