/** Every screen is an address. Unknown parameters are dropped, unknown values become their defaults. */
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
  retainSearchParams,
} from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { Empty, Failed } from './ui/page.tsx';
import { Shell } from './ui/shell.tsx';
import { isWindow, type WindowName } from './ui/window.ts';
import { text } from './i18n/text.ts';

interface RootSearch {
  readonly w?: WindowName;
}

export interface TrafficSearch extends RootSearch {
  /** Selected node or edge. */
  readonly sel?: string;
  readonly view?: 'table';
  readonly problems?: boolean;
  readonly idle?: boolean;
  readonly still?: boolean;
}

export interface ListSearch extends RootSearch {
  readonly q?: string;
  readonly ns?: string;
  readonly health?: string;
  readonly kind?: string;
}

export interface TracesSearch extends RootSearch {
  readonly service?: string;
  readonly min?: number;
  readonly errors?: boolean;
}

export interface TraceSearch extends RootSearch {
  /** Selected span. */
  readonly span?: string;
}

/** A page's type says nothing of the router, so that the router's can be told without the pages. */
type LoadPage = () => Promise<{ readonly default: () => ReactNode }>;
const lazyPage = (load: LoadPage) => lazyRouteComponent(load, 'default');

type Raw = Readonly<Record<string, unknown>>;
const str = (raw: Raw, key: string) => {
  const value = raw[key];
  return typeof value === 'string' && value !== '' ? { [key]: value } : {};
};
const flag = (raw: Raw, key: string) => (raw[key] === true ? { [key]: true } : {});
const num = (raw: Raw, key: string) => {
  const value = raw[key];
  return typeof value === 'number' && Number.isFinite(value) ? { [key]: value } : {};
};
const root = (raw: Raw): RootSearch => (isWindow(raw['w']) ? { w: raw['w'] } : {});
const list = (raw: Raw): ListSearch => ({
  ...root(raw),
  ...str(raw, 'q'),
  ...str(raw, 'ns'),
  ...str(raw, 'health'),
  ...str(raw, 'kind'),
});

export function createConsoleRouter() {
  const rootRoute = createRootRoute({
    component: Shell,
    validateSearch: root,
    search: { middlewares: [retainSearchParams<RootSearch>(['w'])] },
    notFoundComponent: () => <Empty title={text.failed.notFound} how={text.failed.page} />,
    errorComponent: ({ error, reset }) => (
      <Failed error={error instanceof Error ? error : new Error(text.failed.broken)} retry={reset} />
    ),
  });
  const page = <Path extends string>(path: Path, load: LoadPage) =>
    createRoute({ getParentRoute: () => rootRoute, path, component: lazyPage(load) });

  const routeTree = rootRoute.addChildren([
    createRoute({
      getParentRoute: () => rootRoute,
      path: '/',
      beforeLoad: () => {
        // The router's own way to say so.
        throw redirect({ to: '/overview', replace: true });
      },
    }),
    page('/overview', () => import('./features/overview/overview-page.tsx')),
    createRoute({
      getParentRoute: () => rootRoute,
      path: '/traffic',
      validateSearch: (raw: Raw): TrafficSearch => ({
        ...root(raw),
        ...str(raw, 'sel'),
        ...(raw['view'] === 'table' ? { view: 'table' } : {}),
        ...flag(raw, 'problems'),
        ...(raw['idle'] === false ? { idle: false } : {}),
        ...flag(raw, 'still'),
      }),
      component: lazyPage(() => import('./features/traffic/traffic-page.tsx')),
    }),
    createRoute({
      getParentRoute: () => rootRoute,
      path: '/services',
      validateSearch: list,
      component: lazyPage(() => import('./features/services/services-page.tsx')),
    }),
    page('/services/$ns/$name', () => import('./features/services/service-page.tsx')),
    createRoute({
      getParentRoute: () => rootRoute,
      path: '/workloads',
      validateSearch: list,
      component: lazyPage(() => import('./features/workloads/workloads-page.tsx')),
    }),
    page('/workloads/$ns/$name', () => import('./features/workloads/workload-page.tsx')),
    createRoute({
      getParentRoute: () => rootRoute,
      path: '/traces',
      validateSearch: (raw: Raw): TracesSearch => ({
        ...root(raw),
        ...str(raw, 'service'),
        ...num(raw, 'min'),
        ...flag(raw, 'errors'),
      }),
      component: lazyPage(() => import('./features/traces/traces-page.tsx')),
    }),
    createRoute({
      getParentRoute: () => rootRoute,
      path: '/traces/$id',
      validateSearch: (raw: Raw): TraceSearch => ({ ...root(raw), ...str(raw, 'span') }),
      component: lazyPage(() => import('./features/traces/trace-page.tsx')),
    }),
    createRoute({
      getParentRoute: () => rootRoute,
      path: '/config',
      validateSearch: list,
      component: lazyPage(() => import('./features/config/config-page.tsx')),
    }),
    page('/config/$group/$kind/$ns/$name', () => import('./features/config/document-page.tsx')),
    page('/mesh', () => import('./features/mesh/mesh-page.tsx')),
    page('/open', () => import('./features/open/open-page.tsx')),
  ]);
  return createRouter({ routeTree, defaultPreload: 'intent', defaultPreloadStaleTime: 0 });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createConsoleRouter>;
  }
}
