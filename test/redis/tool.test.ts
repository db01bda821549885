import { expect, it } from 'vitest';
import { toolOf } from '../../src/backends/redis/tool.js';
import { parseUrl } from '../../src/backends/redis/url.js';

/** How a person reaches the server that a URL leads to. */

it.each([
  ['redis://host', 'redis-cli -h host -p 6379'],
  ['redis://host:7000/2?prefix=a:', 'redis-cli -h host -p 7000 -n 2'],
  ['redis://:secret@host', 'redis-cli -h host -p 6379 --askpass'],
  ['rediss://some%20body:secret@host', "redis-cli --tls -h host -p 6379 --user 'some body' --askpass"],
  ['redis+cluster://a:1,b:2', 'redis-cli -c -h a -p 1'],
  [
    'redis+sentinel://a:1,b:2/main',
    "redis-cli $(redis-cli -h a -p 1 --raw SENTINEL get-master-addr-by-name main | sed '1s/^/-h /;2s/^/-p /')",
  ],
])('%s', (url, tool) => {
  expect(toolOf(parseUrl(url))).toBe(tool);
});
