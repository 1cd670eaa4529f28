// Whether the server does what its OpenAPI document says: the document is valid, and schemathesis finds nothing.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, Server } from './support/server.mjs';

const TOKEN = 'an-operator-of-the-api-test';
// The same requests every time; more of them with EXAMPLES=200, others with SEED=2.
const { EXAMPLES = '25', SEED = '1' } = process.env;
const OPERATIONS = 12;

// Fuzzing asks more often than one address may.
const server = await Server.start({ HOLDFAST_ADMIN_TOKEN: TOKEN, HOLDFAST_REQUESTS_PER_S: '1000000', HOLDFAST_ROOMS_PER_S: '1000000', HOLDFAST_LOG: 'warn' });
const dir = mkdtempSync(join(tmpdir(), 'holdfast-api-'));
const python = join(ROOT, '.tools/bin/python');

function run(seconds, ...args) {
  const { status, error } = spawnSync(python, args, { cwd: dir, stdio: 'inherit', timeout: seconds * 1000 });
  if (status !== 0) throw new Error(`${args[1]}: ${error?.message ?? `ended with ${status}`}`);
}

try {
  const description = await (await fetch(`${server.url}/api/v1/openapi.json`)).json();
  const operations = Object.values(description.paths).flatMap(Object.keys).length;
  if (operations !== OPERATIONS) throw new Error(`${operations} operations instead of ${OPERATIONS}: is this list the right one?`);
  const file = join(dir, 'openapi.json');
  writeFileSync(file, JSON.stringify(description));
  run(30, '-m', 'openapi_spec_validator', file);
  const asked = ['--header', `Authorization: Bearer ${TOKEN}`, '--max-examples', EXAMPLES, '--seed', SEED];
  run(120, '-m', 'schemathesis.cli', 'run', `${server.url}/api/v1/openapi.json`, '--no-color', '--warnings', 'off', ...asked);
} finally {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
}
