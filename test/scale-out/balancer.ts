import { startNginx, type Nginx } from '../support/nginx.js';

/**
 * A real nginx that gives every request to the next node, whoever sends it: no stickiness at all. It asks the next one when a
 * node is gone, also with a POST (`non_idempotent`): what came twice is taken once.
 *
 * @param ports of the nodes, on 127.0.0.1.
 */
export function startBalancer(ports: readonly number[]): Promise<Nginx> {
  const servers = ports.map((port) => `server 127.0.0.1:${port} max_fails=1 fail_timeout=1s;`);
  return startNginx(
    `location / {
      proxy_pass http://nodes;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_next_upstream error timeout http_503 non_idempotent;
      proxy_read_timeout 60s;
    }`,
    `upstream nodes { ${servers.join(' ')} }`,
  );
}
