/** nginx and HAProxy as plain reverse proxies: one worker, kept connections on both sides, no log. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender } from '../measure.ts';
import { freePort, untilItAccepts, untilItAnswers, type BackendProtocol, type Lab } from './lab.ts';
import { findHaproxy, findNginx, MISSING } from './programs.ts';

export async function nginx(lab: Lab, authority: string): Promise<Contender | undefined> {
  const found = findNginx();
  if (found === undefined) return void lab.missing.add(MISSING.nginx);
  const [port, backendPort, dir] = [await freePort(), await lab.backend(), folder(lab, 'nginx')];
  const file = join(dir, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/error.log;
events { worker_connections 4096; }
http {
  access_log off; client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; client_max_body_size 0;
  fastcgi_temp_path ${dir}/fastcgi; uwsgi_temp_path ${dir}/uwsgi; scgi_temp_path ${dir}/scgi;
  keepalive_requests 100000000; keepalive_timeout 3600s;
  upstream backend { server 127.0.0.1:${backendPort}; keepalive 64; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_request_buffering off; proxy_buffering on;
    }
  }
}
`,
  );
  const child = lab.start([found.program, '-p', dir, '-c', file, '-e', join(dir, 'error.log')]);
  await untilItAnswers(port);
  return { name: 'nginx', version: found.version, host: '127.0.0.1', port, authority, pids: [child.pid ?? 0] };
}

export async function haproxy(
  lab: Lab,
  authority: string,
  protocol: BackendProtocol = 'http1',
): Promise<Contender | undefined> {
  const found = findHaproxy();
  if (found === undefined) return void lab.missing.add(MISSING.haproxy);
  const [port, backendPort, dir] = [await freePort(), await lab.backend(protocol), folder(lab, 'haproxy')];
  const proto = protocol === 'http2' ? ' proto h2' : '';
  const file = join(dir, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 3600s
  timeout server 3600s
frontend front
  bind 127.0.0.1:${port}${proto}
  default_backend back
backend back
  server one 127.0.0.1:${backendPort} pool-max-conn 64${proto}
`,
  );
  const child = lab.start([found.program, '-db', '-q', '-f', file]);
  await untilItAccepts(port);
  return { name: 'haproxy', version: found.version, host: '127.0.0.1', port, authority, pids: [child.pid ?? 0] };
}

function folder(lab: Lab, name: string): string {
  const dir = join(lab.dir, name);
  mkdirSync(dir, { recursive: true });
  return dir;
}
